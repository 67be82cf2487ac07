"""A trained model as a file that other programs use, checked against the run before it is kept."""
