"""The command `check`: read every image of a data set once and report its problems, without changing any file."""
