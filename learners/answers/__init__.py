"""The outputs of a run's model on its validation images, metrics of these outputs, and the report of a run."""
