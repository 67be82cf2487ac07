"""What the curve of a range test supports: the rate that this project recommends, fastai's suggestions, or neither."""

from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from callbacks.lr_find.sweep import Sweep

WIDTH = 0.35  # decades, standard deviation of the smoothing
FEWEST = 20  # points below which no curve is read
BASIN = 0.5  # of the fall: the basin is where more is done; its edges are steep, so noise moves them least
BASELINE = 4  # the first 1/4 of a curve is taken for the loss before it falls
SURE = 5.0  # standard errors that a fall must measure
LIFT = 3.0  # noises above the start: a loss that has come back counts as no more
NOTABLE = 0.01  # of the starting loss: a smaller fall is of no use, however sure
NARROW = 1.0  # decades of basin that a curve must show if it does not close by itself
APART = 1.0  # decades between sweeps beyond which they disagree


class NoSuggestion(ValueError):
    """The curve supports no suggestion; the message says why and what to try."""


def smoothed(losses: ndarray, lrs: ndarray, ceiling: float = np.inf) -> ndarray:
    """The losses (K) under a Gaussian on the log axis, without lag; losses above `ceiling` count as `ceiling`."""
    x = np.log10(lrs)
    weights = np.exp(-0.5 * ((x[:, None] - x) / WIDTH) ** 2)  # K×K
    return weights @ np.minimum(losses, ceiling) / weights.sum(1)


def noise(losses: ndarray) -> float:
    """Standard deviation of a step's loss about the curve, from differences of neighbours; outliers count little."""
    return 1.4826 * float(np.median(np.abs(np.diff(losses)))) / np.sqrt(2)


def fall(losses: ndarray, lrs: ndarray) -> tuple[ndarray, float, int]:
    """The smoothed curve (K), the loss before it falls, and the index of its lowest point after that.

    Raises:
        NoSuggestion: too few points, or no fall that stands out from the noise.
    """
    if len(losses) < FEWEST:
        raise NoSuggestion(f"too few points: {len(losses)}, and {FEWEST} are needed; take more steps")
    before = len(losses) // BASELINE
    start = float(losses[:before].mean())
    sigma = noise(losses)
    curve = smoothed(losses, lrs, ceiling=start + LIFT * sigma)  # keeps a late explosion from spreading back
    lowest = before + int(curve[before:].argmin())
    wanted = max(SURE * sigma * _error_of_fall(losses, lrs), NOTABLE * abs(start))
    if start - curve[lowest] <= wanted:
        how = "it rises from the start" if smoothed(losses, lrs)[-1] - start > wanted else f"flat at {start:.4g}"
        raise NoSuggestion(f"the loss does not fall at any rate tried: {how}; take more steps")
    return curve, start, lowest


def _error_of_fall(losses: ndarray, lrs: ndarray) -> float:
    """Standard error of baseline minus smoothed curve, in units of a step's noise."""
    per_decade = (len(lrs) - 1) / np.log10(lrs[-1] / lrs[0])
    behind_a_point = 2 * np.sqrt(np.pi) * WIDTH * per_decade  # steps that a Gaussian averages
    return float(np.sqrt(1 / max(behind_a_point, 1) + BASELINE / len(losses)))


def basin_rate(sweep: Sweep) -> float:
    """The geometric middle of the basin: the rates at which the loss has done half of its fall and not yet come back.

    The basin's lower edge is the last crossing of half the fall before the lowest point, its upper edge the first
    crossing after it, or where the sweep ended.

    Raises:
        NoSuggestion: see `fall`; or the loss still falls at the last rate.
    """
    curve, start, lowest = fall(sweep.losses, sweep.lrs)
    brim = start - BASIN * (start - curve[lowest])
    x, outside = np.log10(sweep.lrs), np.flatnonzero(curve > brim)
    before, after = outside[outside < lowest], outside[outside > lowest]
    low = _crossing(x, curve, before[-1], brim) if len(before) else x[0]
    high = _crossing(x, curve, after[0] - 1, brim) if len(after) else x[-1]
    if not len(after) and not sweep.stopped and high - low < NARROW:
        raise NoSuggestion(f"the loss still falls at the last rate, {sweep.lrs[-1]:.3g}; raise end_lr")
    return float(10 ** ((low + high) / 2))


def _crossing(x: ndarray, curve: ndarray, i: int, level: float) -> float:
    """Where the line between points i and i+1 meets the level."""
    return x[i] + (x[i + 1] - x[i]) * (level - curve[i]) / (curve[i + 1] - curve[i])


def pooled(sweeps: Sequence[Sweep]) -> Sweep:
    """The mean curve over the rates of the first sweep; the others cover its upper part, each as far as it came."""
    shortest = min(sweeps, key=lambda sweep: sweep.lrs.max(initial=0.0))
    lrs = sweeps[0].lrs[sweeps[0].lrs <= shortest.lrs.max(initial=0.0)]
    losses = [np.mean([s.losses[s.lrs == lr][0] for s in sweeps if lr in s.lrs]) for lr in lrs]
    return Sweep(lrs, np.array(losses), shortest.stopped)


def agreeing(sweeps: Sequence[Sweep]) -> tuple[float, float, float]:
    """The recommended rate, from the mean curve, and the lowest and highest of the sweeps by themselves.

    Raises:
        NoSuggestion: the mean curve supports none, or most sweeps by themselves support none, or they differ by more
            than a factor of ten.
    """
    lr = basin_rate(pooled(sweeps))
    alone = [rate for rate in map(_rate_or_none, sweeps) if rate]
    if 2 * len(alone) < len(sweeps):
        raise NoSuggestion(f"only {len(alone)} of {len(sweeps)} sweeps fall clearly; take more steps")
    low, high = min(lr, *alone), max(lr, *alone)
    if np.log10(high / low) > APART:
        raise NoSuggestion(f"the sweeps disagree: {low:.2g} to {high:.2g}; take more steps or larger batches")
    return lr, low, high


def _rate_or_none(sweep: Sweep) -> float | None:
    try:
        return basin_rate(sweep)
    except NoSuggestion:
        return None
