"""Augment whole batches: transforms, pipelines of them, and the random numbers that they use."""
