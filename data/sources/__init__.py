"""The kinds of sources, one file per kind, and their shared helpers. To add a source, see `registry`."""
