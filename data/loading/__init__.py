"""Loaders of batches: from decoded images to normalised tensors on the device."""
