"""The fit of a whole recipe: what `ImageLearner.fit_recipe` does."""

import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastai.callback.core import Callback

from callbacks.checkpoint.callback import Checkpoint, Resume
from callbacks.checkpoint.interrupt import Interrupts
from callbacks.checkpoint.writer import BackgroundWriter
from callbacks.optional import optional_callbacks
from callbacks.training.history import History, write_history
from callbacks.training.loader_epoch import LoaderEpoch
from callbacks.training.loader_wait import LoaderWait
from callbacks.training.measured import MeasuredModel
from callbacks.training.precision import PrecisionRecord
from callbacks.training.schedule import OneCycle, PlannedRates, ScheduleRecord, write_schedule
from callbacks.training.step_seed import StepSeed
from data.common.errors import AppError, TrainingError
from data.common.files import replacing, write_json
from data.validation import validation_batches
from learners.answers import outputs
from learners.answers.page import report_run
from learners.answers.temperature import fit_temperature
from learners.heatmaps import choose_heatmaps
from learners.model_files import SavedModel, write_model
from learners.opened import OpenedRun
from learners.optimizer import Group, param_groups
from learners.provenance import provenance
from learners.result import FitResult
from learners.run import Run, note_precision
from learners.session import additions, check_additions, session_cbs
from learners.warmup import warm_up

if TYPE_CHECKING:
    from learners.learner import ImageLearner

log = logging.getLogger(__name__)

Submit = Callable[..., Any]  # calls a function that writes a file, with its arguments
Writes = Callable[[Callable[..., None], str], Callable[[Any], None] | None]  # (function, file name) to a shorter one


def fit_in_memory(learn: "ImageLearner") -> dict[str, Any]:
    """Fit without a run directory, and return the metrics of the run."""
    _measure_rate(learn)
    return _metrics(learn, _fit_plan(learn, []))


def fit_run(learn: "ImageLearner", run: Run, checkpoint_minutes: float) -> dict[str, Any]:
    """Fit, fill the run directory, and return the metrics of the run."""
    state, recipe, session = _begin(learn, run), learn.plan.to_dict(), session_cbs(learn)
    try:
        with BackgroundWriter() as writer, Interrupts(run.checkpoint) as interrupts:
            checkpoint = Checkpoint(run.checkpoint, writer, interrupts, recipe, checkpoint_minutes, session)
            current = _fit_plan(learn, [Resume(state), checkpoint], partial(_later, writer.submit, run.path))
    except Exception:
        run.withdraw()
        raise
    metrics = _metrics(learn, current)
    with run.results():
        _write_results(learn, run.path, metrics)
    _write_report(learn, run)
    return metrics


def _later(submit: Submit, folder: Path, write: Callable[..., None], name: str) -> Callable[[Any], None]:
    """A function of what is to be written: it has `write` do that, into the file `name`, while training goes on."""
    return partial(submit, write, folder / name)


def _nowhere(write: Callable[..., None], name: str) -> None:
    """Of a fit that writes nothing."""


def _begin(learn: "ImageLearner", run: Run) -> dict[str, Any] | None:
    """Write `recipe.json` of a new run, or load the checkpoint of an old one."""
    added = additions(learn)
    if not run.new:
        check_additions(run.path, run.description.get("session", added), added)
        return run.read_checkpoint(learn.plan)
    _measure_rate(learn)
    run.write_description(learn.plan.to_dict() | provenance(learn.dls) | {"session": added})
    return None


def _measure_rate(learn: "ImageLearner") -> None:
    """Where `lr` is auto: measure the peak rate, and keep curve and choice in the run directory."""
    if learn.recipe.lr != "auto":
        return
    found = learn.lr_find()
    if learn.run_dir:
        found.save(learn.run_dir.path)
    if found.lr is None:
        raise TrainingError(f"the learning-rate finder suggests nothing: {found.abstained}; give a rate as `lr`")
    learn.plan = replace(learn.plan, lr=found.lr)


def _fit_plan(learn: "ImageLearner", cbs: list[Callback], writes: Writes = _nowhere) -> bool:
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
    precision = PrecisionRecord(writes(note_precision, "recipe.json"))
    measured, wait, warmup_seconds = MeasuredModel(), LoaderWait(), warm_up(learn)
    seeds = StepSeed(plan.seed)
    watching = [seeds, LoaderEpoch(), history, PlannedRates(rates), schedule, precision, measured, wait]
    try:
        learn.fit(plan.epochs, cbs=[*watching, *optional_callbacks(plan), *cbs], reset_opt=True)
    finally:
        learn.graphed = None  # the memory that it replays in
    if not history.rows:
        raise TrainingError("a callback ended the fit before its first epoch was done: there is nothing to report")
    learn.fitted = FitResult(history.rows, schedule.rows, precision.precision, wait.seconds, warmup_seconds)
    return measured.measured(learn.model, history.rows[-1].epoch) and not session_cbs(learn)


def _metrics(learn: "ImageLearner", current: bool) -> dict[str, Any]:
    """The metrics of the run.

    Args:
        current: the figures of the last epoch are those of the model as it is; if not, it is validated again.
    """
    assert learn.fitted is not None
    if not current:
        learn.fitted = replace(learn.fitted, final=_validated(learn))
    parameters = sum(p.numel() for p in learn.model.parameters())
    return learn.fitted.metrics(learn.plan, learn.dls.source, str(learn.dls.device), parameters)


def _validated(learn: "ImageLearner") -> dict[str, float]:
    """`valid_loss` and metrics of the model as it is, without the session's callbacks, by name.

    What the recorder keeps of the fit stays.

    Raises:
        TrainingError: the model does not run without those callbacks, so that nobody else could use it either.
    """
    kept, cbs = learn.recorder.state_dict(), session_cbs(learn)
    try:
        with learn.removed_cbs(cbs):
            figures = learn.validate()
    except RuntimeError as error:
        names = ", ".join(type(cb).__name__ for cb in cbs)
        raise TrainingError(
            f"the model that was trained does not run without {names or 'its callbacks'} ({error}); let the loaders or "
            "the net itself do what the callback does to the images"
        ) from error
    finally:
        learn.recorder.load_state_dict(kept)
    names = learn.recorder.metric_names
    return {name: float(value) for name, value in zip(names[-len(figures) :], figures, strict=True)}


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


def _write_results(learn: "ImageLearner", folder: Path, metrics: dict[str, Any]) -> None:
    """The CSV files again, because a background write may have failed; `metrics.json` last: the run is complete."""
    assert learn.fitted is not None
    write_history(folder / "history.csv", learn.fitted.epochs)
    write_schedule(folder / "schedule.csv", learn.fitted.steps)
    dls, plan, answers = learn.dls, learn.plan, _outputs(learn)
    answers.save(folder / outputs.FILE)
    more = {"heatmaps": asdict(choose_heatmaps(learn)), "temperature": fit_temperature(answers.logits, answers.targets)}
    write_model(folder, learn.model, plan.model, dls.vocab, plan.size, dls.stats, **more)
    with replacing(folder / "curves.png") as draft:
        learn.plot_curves().savefig(draft, dpi=150)
    write_json(folder / "metrics.json", metrics)


def _write_report(learn: "ImageLearner", run: Run) -> None:
    """`report.html`. The run is complete without it, so that an error costs one line of the log and nothing else."""
    dls, plan, folder = learn.dls, learn.plan, run.path
    temperature = run.read_json("model.json")["temperature"]
    saved = SavedModel(learn.model.eval(), list(dls.vocab), dls.stats, plan.model, plan.size, temperature)
    try:
        report_run(folder, OpenedRun(saved, dls.source, plan))
    except (AppError, OSError) as error:
        log.warning("the run is complete, without its report (%s); make it with: report_run('%s')", error, folder)
    except Exception:  # a section may be anybody's
        log.exception("the run is complete; an error in a section left it without its report")


def _outputs(learn: "ImageLearner") -> outputs.Outputs:
    """Of the model as it is, on the validation images; no random number is drawn."""
    dls, plan = learn.dls, learn.plan
    batches = validation_batches(dls.source, plan.size, dls.stats, 2 * plan.batch_size, plan.cache, dls.device)
    return outputs.outputs_of(learn.model.eval(), dls.source, batches)
