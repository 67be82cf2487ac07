"""Train a whole recipe and write its results: the implementation of `ImageLearner.fit_recipe`."""

import logging
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callbacks.checkpoint.callback import Checkpoint, Resume
from callbacks.checkpoint.writer import BackgroundWriter
from callbacks.training.history import write_history
from callbacks.training.schedule import write_schedule
from data.common.errors import AppError, TrainingError
from data.common.files import replacing, write_json
from data.validation import validation_batches
from learners.answers import outputs
from learners.answers.page import report_run
from learners.answers.temperature import fit_temperature
from learners.heatmaps import choose_heatmaps
from learners.run_directory.model_files import SavedModel, write_model
from learners.run_directory.opened_run import OpenedRun
from learners.run_directory.provenance import provenance
from learners.run_directory.run import Run
from learners.training.multi_process import run_interrupts, state_from_first
from learners.training.plan_fit import background_writer, fit_plan
from learners.training.session import additions, check_additions, session_cbs

if TYPE_CHECKING:
    from learners.learner import ImageLearner

log = logging.getLogger(__name__)


def fit_in_memory(learn: "ImageLearner") -> dict[str, Any]:
    """Train without a run directory, and return the metrics of the run."""
    _find_peak_lr(learn)
    return _metrics(learn, fit_plan(learn, []))


def fit_run(learn: "ImageLearner", run: Run, checkpoint_minutes: float) -> dict[str, Any]:
    """Train, write the files of the run directory, and return the metrics of the run.

    Args:
        learn: the learner.
        run: the run directory, which this process has locked.
        checkpoint_minutes: time between two checkpoints.
    """
    state = state_from_first(learn, _begin(learn, run))
    recipe, session = learn.plan.to_dict(), session_cbs(learn)
    try:
        with BackgroundWriter() as writer, run_interrupts(learn, run.checkpoint) as interrupts:
            checkpoint = Checkpoint(run.checkpoint, writer, interrupts, recipe, checkpoint_minutes, session)
            current = fit_plan(
                learn, [Resume(state, run.checkpoint), checkpoint], partial(background_writer, writer.submit, run.path)
            )
    except Exception:
        run.withdraw()
        raise
    metrics = _metrics(learn, current)
    with run.results():
        _write_results(learn, run.path, metrics)
    _write_report(learn, run)
    return learn.processes.from_first(metrics) if learn.processes else metrics


def _begin(learn: "ImageLearner", run: Run) -> dict[str, Any] | None:
    """Write `recipe.json` of a new run, or return the checkpoint of an old one."""
    added = additions(learn)
    if not run.new:
        check_additions(run.path, run.description.get("session", added), added)
        return run.read_checkpoint(learn.plan)
    _find_peak_lr(learn)
    run.write_description(learn.plan.to_dict() | provenance(learn.dls) | {"session": added})
    return None


def _find_peak_lr(learn: "ImageLearner") -> None:
    """If `lr` is auto, measure the peak learning rate, and save the finder's result in the run directory."""
    if learn.recipe.lr != "auto":
        return
    found = learn.lr_find()
    if learn.run_dir:
        found.save(learn.run_dir.path)
    if found.lr is None:
        raise TrainingError(f"the learning-rate finder suggests no learning rate: {found.abstained}; set one as `lr`")
    learn.plan = replace(learn.plan, lr=found.lr)


def _metrics(learn: "ImageLearner", current: bool) -> dict[str, Any]:
    """Return the metrics of the run.

    Args:
        learn: the learner.
        current: whether the metrics of the last epoch are those of the final model; if not, it is validated again.
    """
    assert learn.fitted is not None
    if not current:
        learn.fitted = replace(learn.fitted, final=_validated(learn))
    parameters = sum(p.numel() for p in learn.model.parameters())
    return learn.fitted.metrics(learn.plan, learn.dls.source, str(learn.dls.device), parameters)


def _validated(learn: "ImageLearner") -> dict[str, float]:
    """Return `valid_loss` and the metrics of the final model without the session's callbacks, by name.

    The state of the recorder is restored afterwards.

    Raises:
        TrainingError: the model does not run without those callbacks, so that its files would be useless.
    """
    kept, cbs = learn.recorder.state_dict(), session_cbs(learn)
    try:
        with learn.removed_cbs(cbs):
            figures = learn.validate()
    except RuntimeError as error:
        names = ", ".join(type(cb).__name__ for cb in cbs)
        raise TrainingError(
            f"the trained model does not run without {names or 'its callbacks'} ({error}); change the images in the "
            "loaders or in the net itself instead of in a callback"
        ) from error
    finally:
        learn.recorder.load_state_dict(kept)
    names = learn.recorder.metric_names
    return {name: float(value) for name, value in zip(names[-len(figures) :], figures, strict=True)}


def _write_results(learn: "ImageLearner", folder: Path, metrics: dict[str, Any]) -> None:
    """Write the files of the results.

    The CSV files are rewritten, because a background write may have failed. `metrics.json` is written last: if it
    exists, the run is complete.
    """
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
    """Write `report.html`; an error is only logged, because the run is complete without its report."""
    dls, plan, folder = learn.dls, learn.plan, run.path
    temperature = run.read_json("model.json")["temperature"]
    saved = SavedModel(learn.model.eval(), list(dls.vocab), dls.stats, plan.model, plan.size, temperature)
    try:
        report_run(folder, OpenedRun(saved, dls.source, plan))
    except (AppError, OSError) as error:
        log.warning("the run is complete, without its report (%s); make it with: report_run('%s')", error, folder)
    except Exception:  # a section may be the user's own code
        log.exception("the run is complete, but an error in a section of its report prevented report.html")


def _outputs(learn: "ImageLearner") -> outputs.Outputs:
    """Return the outputs of the final model on the validation images; this uses no random numbers."""
    dls, plan = learn.dls, learn.plan
    batches = validation_batches(dls.source, plan.size, dls.stats, 2 * plan.batch_size, plan.cache, dls.device)
    return outputs.outputs_of(learn.model.eval(), dls.source, batches)
