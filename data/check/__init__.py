"""`check`: every image of a data set is read once, and what is wrong with the set is told. Nothing of it is changed."""
