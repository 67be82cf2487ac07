"""The suggestions that fastai's users know, read from a smoothed curve."""

import numpy as np
from numpy import ndarray

SLIDE_STEPS, SLIDE_CHANGE = 15, 0.005  # fastai's defaults: how far apart slopes are compared, and when they are alike


def named_suggestions(lrs: ndarray, losses: ndarray) -> dict[str, float | None]:
    """fastai's four rules on a curve (K rates, K smoothed losses). None where a rule ends at an end of the range.

    Source: the rules of fastai's `lr_find`, https://docs.fast.ai/callback.schedule.html.
    """
    rules = {"valley": valley, "slide": slide, "steep": steep, "minimum": minimum}
    found = {name: rule(lrs, losses) for name, rule in rules.items()}
    return {name: None if i in (0, len(lrs) - 1) else _rate(name, lrs[i]) for name, i in found.items()}


def _rate(name: str, lr: float) -> float:
    return float(lr / 10 if name == "minimum" else lr)  # a tenth of where the loss is lowest


def valley(lrs: ndarray, losses: ndarray) -> int:
    """Half way along the longest run of falling losses, which need not be neighbours."""
    length = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        length[i] += max(length[:i][losses[:i] > losses[i]], default=0)
    end = int(length.argmax())
    return end - int(length[end]) + length[end] // 3 + length[end] // 6


def slide(lrs: ndarray, losses: ndarray) -> int:
    """From the right: where the slope no longer differs from that of 15 steps before."""
    slopes = np.gradient(losses)
    change = np.abs(slopes[SLIDE_STEPS:] - slopes[:-SLIDE_STEPS])
    unchanged = np.flatnonzero(change <= SLIDE_CHANGE)
    return min(int(unchanged[-1]) + 1, len(change) - 1) if len(unchanged) else 0


def steep(lrs: ndarray, losses: ndarray) -> int:
    """Where the loss falls fastest on the log axis."""
    return int(np.gradient(losses, np.log(lrs)).argmin())


def minimum(lrs: ndarray, losses: ndarray) -> int:
    """Where the loss is lowest."""
    return int(losses.argmin())
