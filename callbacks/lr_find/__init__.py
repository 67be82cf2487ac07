"""The learning-rate finder: a range test that leaves no trace, and what its curve supports."""
