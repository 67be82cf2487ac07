"""One script per question or claim; each writes its results as JSON into benchmarks/results."""
