"""Helpers for all packages: error classes, atomic file writing, progress bars, lazy imports, device copies."""
