"""The kinds of sources, a file each. A new one is a new file here: see `registry`."""
