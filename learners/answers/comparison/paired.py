"""Two models on the same images: McNemar's test."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from learners.answers.outputs import Outputs


@dataclass(frozen=True)
class Paired:
    """Where two models differ.

    Attributes:
        first_only, second_only: the places of the images that only the one or only the other classifies correctly.
        p: the two-sided p-value of McNemar's exact test: how probable a difference at least as uneven is between two
            models that are equally good.
    """

    first_only: np.ndarray
    second_only: np.ndarray
    p: float


def paired(first: Outputs, second: Outputs) -> Paired | None:
    """Compare the answers of two models; None where they were not given the same images in the same order.

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
