"""The fit that a plan describes, and what it measured."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastai.callback.core import Callback

from callbacks.optional import optional_callbacks
from callbacks.parallel.data_parallel import DataParallel
from callbacks.training.history import History, write_history
from callbacks.training.loader_epoch import LoaderEpoch
from callbacks.training.loader_wait import LoaderWait
from callbacks.training.measured_model import MeasuredModel
from callbacks.training.precision import PrecisionRecord
from callbacks.training.schedule import OneCycle, PlannedRates, ScheduleRecord, write_schedule
from callbacks.training.step_seed import StepSeed
from data.common.errors import TrainingError
from data.common.launch import process_rank
from learners.fit_result import FitResult
from learners.optimizer import Group, param_groups
from learners.run import add_precision
from learners.session import session_cbs
from learners.warmup import warm_up

if TYPE_CHECKING:
    from learners.learner import ImageLearner

Submit = Callable[..., Any]  # calls a function that writes a file, with its arguments
Writes = Callable[[Callable[..., None], str], Callable[[Any], None] | None]  # (function, file name) to a shorter one


def nowhere(write: Callable[..., None], name: str) -> None:
    """Of a fit that writes nothing."""


def fit_plan(learn: "ImageLearner", cbs: list[Callback], writes: Writes = nowhere) -> bool:
    """Fit, and keep what was measured as `learn.fitted`.

    Args:
        writes: makes the functions that write the CSV files and note the precision while training goes on.

    Returns:
        Whether the last epoch measured the model as it is now, and no callback of the session could change what that
        validation saw, as one that leaves dropout on does.
    """
    plan, rates = learn.plan, planned_rates(learn)
    history = History(writes(write_history, "history.csv"))
    first = _groups(learn)[0].factor
    schedule = ScheduleRecord([row[0] / first for row in rates], writes(write_schedule, "schedule.csv"))
    precision = PrecisionRecord(writes(add_precision, "recipe.json"))
    measured, wait, warmup_seconds = MeasuredModel(), LoaderWait(), warm_up(learn)
    seeds = StepSeed(plan.seed, process_rank())
    watching = [seeds, LoaderEpoch(), history, PlannedRates(rates), schedule, precision, measured, wait]
    shared = [DataParallel(learn.processes)] if learn.processes else []
    try:
        learn.fit(plan.epochs, cbs=[*shared, *watching, *optional_callbacks(plan), *cbs], reset_opt=True)
    finally:
        learn.graphed = None  # the memory that it replays in
    if not history.rows:
        raise TrainingError("a callback ended the fit before its first epoch was done: there is nothing to report")
    learn.fitted = FitResult(history.rows, schedule.rows, precision.precision, wait.seconds, warmup_seconds)
    return measured.measured(learn.model, history.rows[-1].epoch) and not session_cbs(learn)


def later(submit: Submit, folder: Path, write: Callable[..., None], name: str) -> Callable[[Any], None]:
    """A function of what is to be written: it has `write` do that, into the file `name`, while training goes on."""
    return partial(submit, write, folder / name)


def planned_rates(learn: "ImageLearner") -> list[list[float]]:
    """The rate of each group of parameters at each step of the run: steps × groups."""
    plan, groups = learn.plan, _groups(learn)
    cycle = OneCycle(
        [plan.lr * group.factor for group in groups],
        div=plan.div,
        div_final=plan.div_final,
        pct_start=plan.peak_epoch / plan.epochs,
        decay=plan.decay,
        starts=[group.start / plan.epochs for group in groups],
    )
    return cycle.table(len(learn.dls.train) * plan.epochs)


def _groups(learn: "ImageLearner") -> list[Group]:
    return param_groups(learn.model, learn.plan, learn.splitter(learn.model))
