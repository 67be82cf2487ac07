"""Callbacks that take part in every fit: recorder, history, schedule, average of the weights, checks, progress."""
