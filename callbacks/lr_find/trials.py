"""Trials: short one-cycle runs from the weights of a learner, each with another peak learning rate."""

from dataclasses import dataclass

import numpy as np
from fastai.learner import Learner

from callbacks.lr_find.preserve import preserved
from callbacks.lr_find.suggest import PEAK_RATIO
from callbacks.lr_find.sweep import Sweep, sweep
from callbacks.training.schedule import OneCycle

TRIAL_COUNT = 6  # trials, or fewer if the range of learning rates is short
TRIAL_CYCLE = OneCycle([1.0], div=5.0, div_final=1e5, pct_start=5 / 24, decay="linear")  # as in the default recipe
END_DIVISOR = 5  # divisor of a trial's steps: its final loss is the mean over the last 1/5, at least one step


@dataclass(frozen=True)
class Trial:
    """A short one-cycle run.

    Attributes:
        peak: peak learning rate.
        taken: learning rates and losses of the steps, up to where the run stopped.
        ends: losses of the last steps, B; infinite if the run stopped early.
    """

    peak: float
    taken: Sweep
    ends: np.ndarray

    @property
    def loss(self) -> float | None:
        """The mean loss of the last steps; None if the run stopped early."""
        return float(self.ends.mean()) if np.isfinite(self.ends).all() else None


def trial_rates(peak: float, steps: int) -> np.ndarray:
    """Return the learning rate of each of `steps` steps of a one-cycle run; all are positive."""
    return peak * np.array(TRIAL_CYCLE.table(steps))[:, 0]


def try_peaks(learn: Learner, lowest: float, bounds: tuple[float, float], steps: int) -> tuple[Trial, ...]:
    """Run the trials and return them by rising peak; the weights of `learn` do not change.

    All trials start from the weights of `learn` and have the same batches. The peaks start near the learning rate at
    which the loss of the range test is lowest, because the best peak of a short run is that rate or higher. They reach
    about two decades further, but not beyond `bounds`. If the upper bound limits them, they do not depend on `lowest`
    and are thus the same for every seed.

    Args:
        learn: learner to start from.
        lowest: learning rate at which the loss of the range test is lowest.
        bounds: lowest and highest peak allowed.
        steps: steps of each trial.
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
