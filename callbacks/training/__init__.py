"""Callbacks of every fit: recorder, history, learning-rate schedule, seeds, checks of the loss, progress display."""
