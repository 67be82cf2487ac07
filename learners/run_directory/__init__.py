"""The run directory: its files, their checks, and the model and data that are read from them."""
