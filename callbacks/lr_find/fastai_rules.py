"""fastai's four rules that suggest a learning rate, applied to a smoothed curve."""

import numpy as np
from numpy import ndarray

SLIDE_STEPS = 15  # steps between the two slopes that `slide` compares; fastai's default
SLIDE_CHANGE = 0.005  # difference up to which `slide` takes two slopes as equal; fastai's default


def named_suggestions(lrs: ndarray, losses: ndarray) -> dict[str, float | None]:
    """Return the suggestions of fastai's four rules by name; None if a rule chooses the first or last learning rate.

    Args:
        lrs: learning rates, K.
        losses: smoothed losses, K.

    Source: the rules of fastai's `lr_find`, https://docs.fast.ai/callback.schedule.html.
    """
    rules = {"valley": valley, "slide": slide, "steep": steep, "minimum": minimum}
    found = {name: rule(lrs, losses) for name, rule in rules.items()}
    return {name: None if i in (0, len(lrs) - 1) else _rate(name, lrs[i]) for name, i in found.items()}


def _rate(name: str, lr: float) -> float:
    return float(lr / 10 if name == "minimum" else lr)  # fastai suggests a tenth of the rate at the minimum


def valley(lrs: ndarray, losses: ndarray) -> int:
    """Return the index halfway along the longest decreasing subsequence of the losses (K)."""
    length = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        length[i] += max(length[:i][losses[:i] > losses[i]], default=0)
    end = int(length.argmax())
    return end - int(length[end]) + length[end] // 3 + length[end] // 6


def slide(lrs: ndarray, losses: ndarray) -> int:
    """Return the index after the last one at which the slope of the losses (K) equals the slope 15 steps later."""
    slopes = np.gradient(losses)
    change = np.abs(slopes[SLIDE_STEPS:] - slopes[:-SLIDE_STEPS])
    unchanged = np.flatnonzero(change <= SLIDE_CHANGE)
    return min(int(unchanged[-1]) + 1, len(change) - 1) if len(unchanged) else 0


def steep(lrs: ndarray, losses: ndarray) -> int:
    """Return the index at which the loss falls fastest over the logarithm of the learning rate."""
    return int(np.gradient(losses, np.log(lrs)).argmin())


def minimum(lrs: ndarray, losses: ndarray) -> int:
    """Return the index of the lowest loss."""
    return int(losses.argmin())
