"""Exact resume: all state of a run, in a file that is whole and safe to load."""
