"""The kinds of findings, by what they look at."""
