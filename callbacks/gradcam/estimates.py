"""Measured figures with their 95% intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

Z_95 = 1.959964  # the normal distribution holds 95% between -Z and Z


@dataclass(frozen=True)
class Estimate:
    """A share or a mean of `count` cases, and its 95% interval from `low` to `high`."""

    value: float
    low: float
    high: float
    count: int

    @property
    def text(self) -> str:
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%})"


def share(hits: Sequence[bool]) -> Estimate | None:
    """How often something holds, with Wilson's interval (1927); None of no cases."""
    n = len(hits)
    if not n:
        return None
    p = sum(map(bool, hits)) / n
    middle, half = (p + Z_95**2 / (2 * n)), Z_95 * sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    low, high = (middle - half) / scale, (middle + half) / scale
    return Estimate(p, max(0.0, min(low, p)), min(1.0, max(high, p)), n)  # rounding may cross 0, 1 and the share


def mean_share(values: Sequence[float]) -> Estimate | None:
    """The mean of values between 0 and 1, with the normal interval; of a single value it is all there is."""
    n = len(values)
    if not n:
        return None
    mean = fmean(values)
    half = Z_95 * stdev(values) / sqrt(n) if n > 1 else 1.0
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), n)
