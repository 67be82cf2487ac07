"""Short one-cycle runs from the weights of a learner, one for each of a few peak rates."""

from dataclasses import dataclass

import numpy as np
from fastai.learner import Learner

from callbacks.lr_find.preserve import preserved
from callbacks.lr_find.suggest import PEAK_RATIO
from callbacks.lr_find.sweep import Sweep, sweep
from callbacks.training.schedule import OneCycle

TRIAL_COUNT = 6
TRIAL_CYCLE = OneCycle([1.0], div=5.0, div_final=1e5, pct_start=5 / 24, decay="linear")  # that of the default recipe
END_DIVISOR = 5  # a run is judged by the last 1/5 of its steps, at least one


@dataclass(frozen=True)
class Trial:
    """A short one-cycle run.

    Attributes:
        peak: its highest rate.
        taken: its rates and losses, up to where it stopped.
        ends: the loss of its last steps, B; infinite where it stopped before them.
    """

    peak: float
    taken: Sweep
    ends: np.ndarray

    @property
    def loss(self) -> float | None:
        """The mean loss of the last steps, or None where it stopped before them."""
        return float(self.ends.mean()) if np.isfinite(self.ends).all() else None


def trial_rates(peak: float, steps: int) -> np.ndarray:
    """The rates (`steps`) of a one-cycle run, all positive."""
    return peak * np.array(TRIAL_CYCLE.table(steps))[:, 0]


def try_peaks(learn: Learner, lowest: float, bounds: tuple[float, float], steps: int) -> tuple[Trial, ...]:
    """Trials by rising peak. Every trial starts from the weights of `learn`, which stay, and has the same batches.

    The peaks begin near the rate at which the range test is lowest, because a short run is best at that rate or above,
    and reach two decades up, or as far as the range does. Where that rate is uncertain, the range decides, and the
    peaks are the same for every seed.

    Args:
        learn: the learner.
        lowest: the rate at which the range test is lowest.
        bounds: the lowest and the highest peak allowed.
        steps: of each trial.
    """
    start, end = bounds
    top = min(end, lowest * PEAK_RATIO**TRIAL_COUNT)
    peaks = [peak for k in reversed(range(TRIAL_COUNT)) if (peak := top / PEAK_RATIO**k) >= start]
    return tuple(_run_trial(learn, peak, steps) for peak in peaks)


def _run_trial(learn: Learner, peak: float, steps: int) -> Trial:
    last = max(1, steps // END_DIVISOR)
    with preserved(learn.dls.train):
        taken = sweep(learn, trial_rates(peak, steps), f"short run, peak {peak:.2g}")
    ends = np.full(last, np.inf) if taken.stopped else taken.losses[-last:]
    return Trial(peak, taken, ends)
