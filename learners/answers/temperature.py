"""The temperature that calibrates a model: one number that the logits are divided by."""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

LOWEST, HIGHEST = 0.05, 20.0  # of the temperature: beyond it, no number calibrates the model


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature, from 0.05 to 20, that minimises the mean cross entropy of the logits divided by it.

    Args:
        logits: N×C.
        targets: N, the true classes; N is at least 1.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2.
    """
    exact = logits.astype(np.float64)
    wanted = exact[np.arange(len(targets)), targets]

    def cross_entropy(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float((logsumexp(exact * scale, axis=1) - wanted * scale).mean())

    found = minimize_scalar(cross_entropy, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return math.exp(found.x)
