"""Grad-CAM: maps of the evidence, how far to trust them, and what to show of them."""
