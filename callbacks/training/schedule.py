"""The learning-rate schedule: the planned rate, its application, and a record of the rate applied at each step."""

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.schedule import SchedCos, SchedLin, combine_scheds

from callbacks.order import PLANNED_RATES, SCHEDULE_RECORD
from callbacks.training.rates import rate_and_momentum, rate_groups
from data.common.errors import TrainingError
from data.common.files import write_csv

log = logging.getLogger(__name__)

DECAYS = {"linear": SchedLin, "cosine": SchedCos}


class OneCycle:
    """The one-cycle schedule: the learning rate of each parameter group rises along a cosine to its peak, then falls.

    With `decay="cosine"` it is the curve of fastai's `fit_one_cycle`.

    Args:
        peaks: peak learning rate of each group.
        div: peak divided by the first learning rate.
        div_final: peak divided by the last learning rate.
        pct_start: position of the peak, as a fraction of the run.
        decay: shape of the fall, `linear` or `cosine`.
        starts: position at which each group starts to train, as a fraction of the run; its learning rate is 0 before.

    Source: Smith 2018, https://arxiv.org/abs/1803.09820.
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
    ) -> None:
        tops, self.starts = np.array(peaks), np.array(starts)
        rise, fall = SchedCos(tops / div, tops), DECAYS[decay](tops, tops / div_final)
        self.curve = combine_scheds([pct_start, 1 - pct_start], [rise, fall])

    def __call__(self, position: float) -> np.ndarray:
        """Return the learning rate of each group at `position`, a fraction of the run in [0, 1]."""
        return self.curve(position) * (position >= self.starts)

    def table(self, steps: int) -> list[list[float]]:
        """Return the learning rates of a run of `steps` steps, steps × groups."""
        return [self(step / steps).tolist() for step in range(steps)]


class PlannedRates(Callback):
    """Writes the planned learning rates into the optimizer before each training step.

    Learning rates that another callback sets between two steps, as fastai's schedulers and `ReduceLROnPlateau` do, are
    overwritten; this is logged once per fit.

    Args:
        plan: learning rate of each parameter group at each step of the run, steps × groups.
    """

    order, run_valid, shapes_step = PLANNED_RATES, False, False

    def __init__(self, plan: Sequence[Sequence[float]]) -> None:
        self.plan = plan

    def before_fit(self) -> None:
        self.written: Sequence[float] | None = None
        self.warned = False

    def before_batch(self) -> None:
        step, groups = self.epoch * self.n_iter + self.iter, rate_groups(self.opt)
        self.learn.pct_train = step / len(self.plan)  # exact: fastai adds up rounded fractions, step by step
        if self.written and not self.warned and self.written != [group["lr"] for group in groups]:
            self.warned = True
            log.warning(
                "another callback set the learning rate before step %d; the planned rate is used instead. Remove that "
                "callback, or train with `fit`, which has no plan",
                step,
            )
        self.written = self.plan[step]
        for group, rate in zip(groups, self.written, strict=True):
            group["lr"] = rate


class StepRow(NamedTuple):
    """The learning rate and momentum of an optimizer step.

    Attributes:
        step: number of the batch in the run, from 0; a batch without an optimizer step has no row.
        epoch: position in the run, in epochs.
        lr, momentum: applied values of the first parameter group; for `lr` see `rate_of`.
        planned_lr: planned learning rate of the step.
    """

    step: int
    epoch: float
    lr: float
    momentum: float
    planned_lr: float


def write_schedule(path: Path, rows: Sequence[StepRow]) -> None:
    """Write `schedule.csv` with one row per step."""
    write_csv(path, StepRow._fields, [row._asdict() for row in rows])


class ScheduleRecord(Callback):
    """Records the applied learning rate and momentum, and ends the run if the learning rate differs from the plan.

    It runs after all other callbacks before a step. It computes the position in the plan from the epoch and the batch,
    and not from a scheduler, so that it also notices a scheduler that restarts in each epoch.

    Args:
        plan: planned learning rate of the first parameter group for each batch of the run.
        save: function that is called with all rows after each epoch.

    Raises:
        TrainingError: the relative difference from the plan is larger than 1e-9; the step is not taken.
    """

    order, run_valid = SCHEDULE_RECORD, False

    def __init__(self, plan: Sequence[float], save: Callable[[list[StepRow]], None] | None = None) -> None:
        self.plan, self.save, self.rows = plan, save, list[StepRow]()

    def before_step(self) -> None:
        step, (lr, momentum) = self.epoch * self.n_iter + self.iter, rate_and_momentum(self.opt)
        row = StepRow(step, step / self.n_iter, lr, momentum, self.plan[step])
        if not math.isclose(lr, row.planned_lr, rel_tol=1e-9):
            raise TrainingError(
                f"the learning rate at step {step} (epoch {row.epoch:.3f}) is {lr:.9g}, planned {row.planned_lr:.9g}: "
                "another callback or scheduler sets it; remove that one"
            )
        self.rows.append(row)

    def after_epoch(self) -> None:
        if self.save:
            self.save(list(self.rows))

    def after_fit(self) -> None:
        if hasattr(self.learn, "recorder"):  # for fastai's `recorder.plot_sched`
            self.recorder.hps = {"lr": [r.lr for r in self.rows], "mom": [r.momentum for r in self.rows]}

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [StepRow(*row) for row in state["rows"]]
