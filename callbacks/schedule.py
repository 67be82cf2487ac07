"""The audit of the learning rate: what was applied at every step, beside what was planned."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.schedule import SchedCos, SchedLin, combine_scheds

from callbacks.errors import TrainingError
from callbacks.files import write_csv

COLUMNS = ("step", "epoch", "lr", "momentum", "planned_lr")


DECAYS = {"linear": SchedLin, "cosine": SchedCos}


class OneCycle:
    """The rate of each parameter group at a position of the run: half a cosine up to its peak, then down.

    With `decay="cosine"` it is the curve of fastai's `fit_one_cycle` (Smith 2018, https://arxiv.org/abs/1803.09820).

    Args:
        peaks: the peak rate of each group.
        div: the rates start at the peak divided by this.
        div_final: the rates end at the peak divided by this.
        pct_start: the position of the peak, as a fraction of the run.
        decay: `linear` or `cosine`, the shape of the way down.
        starts: the position at which each group starts to train; its rate is 0 before it.
    """

    def __init__(
        self,
        peaks: Sequence[float],
        *,
        div: float,
        div_final: float,
        pct_start: float,
        decay: str = "cosine",
        starts: Sequence[float] | float = 0.0,
    ):
        peaks, self.starts = np.array(peaks), np.array(starts)
        rise, fall = SchedCos(peaks / div, peaks), DECAYS[decay](peaks, peaks / div_final)
        self.curve = combine_scheds([pct_start, 1 - pct_start], [rise, fall])

    def __call__(self, position: float) -> np.ndarray:
        """The rates at `position`, a fraction of the run in [0, 1]: one value for each group."""
        return self.curve(position) * (position >= self.starts)

    def first_group(self, steps: int) -> list[float]:
        """The rate of the first group at each of `steps` steps."""
        return [float(self(step / steps)[0]) for step in range(steps)]


class CycleCurve(Callback):
    """Makes `fit_one_cycle` follow `curve` in place of its own.

    Args:
        curve: gives the rate of each parameter group at a position of the run.
    """

    run_valid = False

    def __init__(self, curve: OneCycle):
        self.curve = curve

    def before_fit(self):
        self.param_scheduler.scheds["lr"] = self.curve


class ScheduleRecord(Callback):
    """Records the rate and momentum that the optimizer applied, and ends the run where they leave the plan.

    It counts the steps of the run itself, so that a scheduler that starts again each epoch is caught at the
    first step of the second. It also hands the scheduler its exact position: fastai's is a sum of many small
    parts, whose rounding depends on the order of the sums.

    Args:
        plan: the rate of every step of the run, for the first parameter group.
        path: the CSV to write after each epoch; none is written without it.
        write: how to write it.

    Raises:
        TrainingError: the applied rate differs from the plan by more than 1e-9, relatively.
    """

    order, run_valid = 59, False  # ParamScheduler is 60

    def __init__(self, plan: Sequence[float], path: Path | None = None, write: Callable = write_csv):
        self.plan, self.path, self.write, self.rows = plan, path, write, []

    def before_batch(self):
        self.learn.pct_train = (self.epoch * self.n_iter + self.iter) / (self.n_epoch * self.n_iter)

    def after_step(self):
        applied, step = self.opt.hypers[0], len(self.rows)
        row = dict(zip(COLUMNS, (step, step / self.n_iter, float(applied["lr"]), applied["mom"]), strict=False))
        row["planned_lr"] = self.plan[step]
        self.rows.append(row)
        if not math.isclose(row["lr"], row["planned_lr"], rel_tol=1e-9):
            raise TrainingError(
                f"the rate at step {step} (epoch {row['epoch']:.3f}) is {row['lr']:.9g}, "
                f"planned {row['planned_lr']:.9g}: "
                "something else sets the optimizer's rate; remove that callback or scheduler"
            )

    def after_epoch(self):
        if self.path:
            self.write(self.path, COLUMNS, list(self.rows))

    def state_dict(self):
        return {"rows": self.rows, "hps": self.param_scheduler.hps}

    def load_state_dict(self, state):
        self.rows, self.param_scheduler.hps = state["rows"], state["hps"]
