"""Temperature scaling: fit the number that calibrates a model when its logits are divided by it."""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0  # range of the search; a value outside would not calibrate any model


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature, from 0.05 to 20, that minimises the mean cross entropy of the logits divided by it.

    Args:
        logits: N×C.
        targets: N, the true classes; N is at least 1.

    Source: Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2.
    """
    exact = logits.astype(np.float64)
    target_logits = exact[np.arange(len(targets)), targets]

    def cross_entropy(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float((logsumexp(exact * scale, axis=1) - target_logits * scale).mean())

    bounds = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    found = minimize_scalar(cross_entropy, bounds=bounds, method="bounded")
    return math.exp(found.x)
