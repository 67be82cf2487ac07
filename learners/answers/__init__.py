"""What is made of a run: the model's answers on images, figures of them, and the report."""
