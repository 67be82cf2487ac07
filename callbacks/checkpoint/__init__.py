"""Checkpoints for an exact resume: the whole state of a run, in a file that is verified and safe to load."""
