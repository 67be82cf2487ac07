"""The audit of the learning rate: what was applied at every step, beside what was planned."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from fastai.callback.core import Callback
from fastai.callback.schedule import combined_cos

from callbacks.errors import TrainingError
from callbacks.files import write_csv

COLUMNS = ("step", "epoch", "lr", "momentum", "planned_lr")


def planned_rates(steps: int, lr_max: float, div: float, div_final: float, pct_start: float) -> list[float]:
    """The one-cycle rate of every step of a run: `fit_one_cycle`'s own curve, at the position `step / steps`."""
    curve = combined_cos(pct_start, lr_max / div, lr_max, lr_max / div_final)
    return [float(curve(step / steps)) for step in range(steps)]


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
