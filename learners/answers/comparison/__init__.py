"""The comparison of several runs: recipes, curves, metrics, and images that only one of two models gets right."""
