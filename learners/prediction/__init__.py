"""Predict the classes of images with the model of a finished run."""
