"""Grad-CAM and other heatmap methods, tests of the heatmaps, and their figures."""
