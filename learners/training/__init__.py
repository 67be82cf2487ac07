"""Train as a recipe says: the optimizer, the loss, the step, the fit, and what happens before and after it."""
