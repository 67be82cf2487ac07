"""Compare two models on the same images with McNemar's test."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from learners.answers.outputs import Outputs


@dataclass(frozen=True)
class Paired:
    """The images that only one of two models classifies correctly.

    Attributes:
        first_only: indices of the images that only the first model classifies correctly.
        second_only: indices of the images that only the second model classifies correctly.
        p: two-sided p-value of McNemar's exact test: the probability that two equally good models differ at least
            this much.
    """

    first_only: np.ndarray
    second_only: np.ndarray
    p: float


def paired(first: Outputs, second: Outputs) -> Paired | None:
    """Compare the outputs of two models; return None unless they are of the same images in the same order.

    Source: McNemar 1947, https://doi.org/10.1007/BF02295996; exact, by the binomial distribution.
    """
    if first.names != second.names or _labels(first) != _labels(second):
        return None
    right, other = first.predicted == first.targets, second.predicted == second.targets
    one, two = np.flatnonzero(right & ~other), np.flatnonzero(other & ~right)
    differing = len(one) + len(two)
    p = float(binomtest(len(one), differing, 0.5).pvalue) if differing else 1.0
    return Paired(one, two, p)


def _labels(outputs: Outputs) -> list[str]:
    return [outputs.classes[target] for target in outputs.targets]
