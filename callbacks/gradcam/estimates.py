"""Shares and means with their 95% confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

Z_95 = 1.959964  # quantile: 95% of a standard normal distribution lie between -Z_95 and Z_95


@dataclass(frozen=True)
class Estimate:
    """A share or a mean of `count` cases, with its 95% confidence interval from `low` to `high`."""

    value: float
    low: float
    high: float
    count: int

    @property
    def text(self) -> str:
        """The estimate and its interval as percentages."""
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%})"


def share(hits: Sequence[bool]) -> Estimate | None:
    """Return the share of true values with Wilson's interval (1927), or None if there are no values."""
    n = len(hits)
    if not n:
        return None
    p = sum(map(bool, hits)) / n
    middle, half = (p + Z_95**2 / (2 * n)), Z_95 * sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    low, high = (middle - half) / scale, (middle + half) / scale
    # Rounding errors could put a bound below 0, above 1 or on the wrong side of the share.
    return Estimate(p, max(0.0, min(low, p)), min(1.0, max(high, p)), n)


def mean_share(values: Sequence[float]) -> Estimate | None:
    """Return the mean of values between 0 and 1 with its normal interval, or None if there are no values.

    The interval of a single value is from 0 to 1.
    """
    n = len(values)
    if not n:
        return None
    mean = fmean(values)
    half = Z_95 * stdev(values) / sqrt(n) if n > 1 else 1.0
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), n)
