"""The learning-rate finder: a range test and short one-cycle runs that leave the learner unchanged."""
