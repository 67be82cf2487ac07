"""Several runs beside each other: what differs in their recipes, curves, figures, and images that tell them apart."""
