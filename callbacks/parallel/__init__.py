"""Data-parallel training: several processes train one run, and each computes a part of every batch."""
