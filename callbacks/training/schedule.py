"""The audit of the learning rate: what was applied at every step, beside what was planned."""

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
    ) -> None:
        tops, self.starts = np.array(peaks), np.array(starts)
        rise, fall = SchedCos(tops / div, tops), DECAYS[decay](tops, tops / div_final)
        self.curve = combine_scheds([pct_start, 1 - pct_start], [rise, fall])

    def __call__(self, position: float) -> np.ndarray:
        """The rates at `position`, a fraction of the run in [0, 1]: one value for each group."""
        return self.curve(position) * (position >= self.starts)

    def table(self, steps: int) -> list[list[float]]:
        """The rate of each group at each of `steps` steps: steps × groups."""
        return [self(step / steps).tolist() for step in range(steps)]


class PlannedRates(Callback):
    """Writes the rates of a plan into the optimizer before each training step.

    A rate that something else wrote between two steps, as fastai's schedulers and `ReduceLROnPlateau` do, is replaced;
    one line in the log says so.

    Args:
        plan: the rate of every parameter group at every step of the run, steps × groups.
    """

    order, run_valid, shapes_step = PLANNED_RATES, False, False

    def __init__(self, plan: Sequence[Sequence[float]]) -> None:
        self.plan = plan

    def before_fit(self) -> None:
        self.written: Sequence[float] | None = None
        self.told = False

    def before_batch(self) -> None:
        step, groups = self.epoch * self.n_iter + self.iter, rate_groups(self.opt)
        self.learn.pct_train = step / len(self.plan)  # fastai adds up a small part for each step, and rounds
        if self.written and not self.told and self.written != [group["lr"] for group in groups]:
            self.told = True
            log.warning(
                "something else set the rate before step %d of the plan; the plan wins: remove that callback, or train "
                "with `fit`, which has no plan",
                step,
            )
        self.written = self.plan[step]
        for group, rate in zip(groups, self.written, strict=True):
            group["lr"] = rate


class StepRow(NamedTuple):
    """What the optimizer applied in a step.

    Attributes:
        step: the number of its batch in the run, from 0; a batch without a step has no row.
        epoch: its position in the run, in epochs.
        lr, momentum: as applied, of the first parameter group; `rate_of` says which rate that is.
        planned_lr: the rate that the plan has for it.
    """

    step: int
    epoch: float
    lr: float
    momentum: float
    planned_lr: float


def write_schedule(path: Path, rows: Sequence[StepRow]) -> None:
    """`schedule.csv`."""
    write_csv(path, StepRow._fields, [row._asdict() for row in rows])


class ScheduleRecord(Callback):
    """Records the rate and momentum that the optimizer applies, and ends the run where they leave the plan.

    It looks last of all callbacks before a step. It finds the plan's rate by counting the batches of the run itself, so
    that a scheduler that starts again each epoch is caught in the second epoch, and steps may be left out.

    Args:
        plan: the rate of every batch of the run, for the first parameter group.
        save: is called with all rows after each epoch.

    Raises:
        TrainingError: the rate differs from the plan by more than 1e-9, relatively; the step is not taken.
    """

    order, run_valid = SCHEDULE_RECORD, False

    def __init__(self, plan: Sequence[float], save: Callable[[list[StepRow]], None] | None = None) -> None:
        self.plan, self.save, self.rows = plan, save, list[StepRow]()

    def before_step(self) -> None:
        step, (lr, momentum) = self.epoch * self.n_iter + self.iter, rate_and_momentum(self.opt)
        row = StepRow(step, step / self.n_iter, lr, momentum, self.plan[step])
        if not math.isclose(lr, row.planned_lr, rel_tol=1e-9):
            raise TrainingError(
                f"the rate at step {step} (epoch {row.epoch:.3f}) is {lr:.9g}, planned {row.planned_lr:.9g}: "
                "something else sets the optimizer's rate; remove that callback or scheduler"
            )
        self.rows.append(row)

    def after_epoch(self) -> None:
        if self.save:
            self.save(list(self.rows))

    def after_fit(self) -> None:
        if hasattr(self.learn, "recorder"):  # fastai's `recorder.plot_sched` draws it
            self.recorder.hps = {"lr": [r.lr for r in self.rows], "mom": [r.momentum for r in self.rows]}

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows = [StepRow(*row) for row in state["rows"]]
