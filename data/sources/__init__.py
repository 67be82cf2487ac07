"""The kinds of sources, a file each, and what they share. A new one is a new file here: see `registry`."""
