"""Train as a plan says, and keep the result in the learner."""

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
from learners.run_directory.run import add_precision
from learners.training.fit_result import FitResult
from learners.training.optimizer import Group, param_groups
from learners.training.session import session_cbs
from learners.training.warmup import warm_up

if TYPE_CHECKING:
    from learners.learner import ImageLearner

Submit = Callable[..., Any]  # calls the function in its first argument with the others, in the background
# From a function `write(path, content)` and a file name to a function of the content alone, or None to write nothing.
WriterFactory = Callable[[Callable[..., None], str], Callable[[Any], None] | None]


def no_writer(write: Callable[..., None], name: str) -> None:
    """Return no function, so that the fit writes no files."""


def fit_plan(learn: "ImageLearner", cbs: list[Callback], writer_for: WriterFactory = no_writer) -> bool:
    """Train as the plan says, and set `learn.fitted` to the result.

    Args:
        learn: the learner.
        cbs: further callbacks for this fit.
        writer_for: makes the functions that write the CSV files and the precision during training.

    Returns:
        Whether the last validation measured the final weights without callbacks of the session, which could change
        its result (for example by leaving dropout on).
    """
    plan, rates = learn.plan, planned_rates(learn)
    history = History(writer_for(write_history, "history.csv"))
    first = _groups(learn)[0].factor
    schedule = ScheduleRecord([row[0] / first for row in rates], writer_for(write_schedule, "schedule.csv"))
    precision = PrecisionRecord(writer_for(add_precision, "recipe.json"))
    measured, wait, warmup_seconds = MeasuredModel(), LoaderWait(), warm_up(learn)
    seeds = StepSeed(plan.seed, process_rank())
    standard = [seeds, LoaderEpoch(), history, PlannedRates(rates), schedule, precision, measured, wait]
    parallel = [DataParallel(learn.processes)] if learn.processes else []
    try:
        learn.fit(plan.epochs, cbs=[*parallel, *standard, *optional_callbacks(plan), *cbs], reset_opt=True)
    finally:
        learn.graphed = None  # frees the memory of the graph
    if not history.rows:
        raise TrainingError("a callback ended the fit before its first epoch was complete: there are no metrics")
    learn.fitted = FitResult(history.rows, schedule.rows, precision.precision, wait.seconds, warmup_seconds)
    return measured.measured(learn.model, history.rows[-1].epoch) and not session_cbs(learn)


def background_writer(submit: Submit, folder: Path, write: Callable[..., None], name: str) -> Callable[[Any], None]:
    """Return a function of the content that writes it to the file `name` in the background.

    Args:
        submit: runs a function in the background.
        folder: the run directory.
        write: writes content to a path.
        name: the name of the file.
    """
    return partial(submit, write, folder / name)


def planned_rates(learn: "ImageLearner") -> list[list[float]]:
    """Return the learning rate of each parameter group at each step of the run: steps × groups."""
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
