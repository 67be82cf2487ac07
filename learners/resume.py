"""Resume a run that was stopped; its result is that of a run without interruption."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from callbacks.training.means import accuracy
from data import DataError, Source, open_source
from data.common.launch import process_rank
from learners.device import pick_device, precision
from learners.factory import Callbacks, Metrics, assemble
from learners.learner import ImageLearner
from learners.recipe import Recipe, RecipeError
from learners.run_directory.class_order import with_class_order
from learners.run_directory.provenance import versions
from learners.run_directory.run import CHANGEABLE_ON_RESUME, Run
from learners.training.multi_process import check_process_count, join_processes, share_between_processes

log = logging.getLogger(__name__)


def resume_learner(
    run: str | Path,
    *,
    data: Any = None,
    model: nn.Module | None = None,
    metrics: Metrics = (accuracy,),
    cbs: Callbacks = (),
    **settings: Any,
) -> ImageLearner:
    """Return a `Learner` whose `fit_recipe` continues where the run in this directory stopped.

    Args:
        run: the run directory.
        data: the data set, if the run began with a dataset object instead of a name or a path.
        model: the net, if the run began with a net instead of the name of an architecture.
        metrics, cbs: the metrics and callbacks that the run began with.
        settings: fields of `Recipe`. `device`, `workers`, `cache`, `graph` and `log` may differ from those of the run;
            others must be equal.

    Raises:
        RunDirectoryError: there is no run, or another process uses its directory.
        RecipeError: a setting differs from that of the run.
        DataError: the images are not those that the run began with.
        ProcessesError: the run was trained by another number of processes.
    """
    opened = Run.open(run)
    recipe = stored_recipe(opened, **settings)
    facts = opened.description
    check_process_count(opened.path, facts)
    if process_rank() == 0:
        with opened.claimed():
            pass  # fail before the images are read if another process uses the directory
    opened.new = False
    device = pick_device(recipe.device)
    processes = join_processes(device, run)
    source = open_source(
        recipe.data if data is None else data, recipe.seed, recipe.limit, recipe.holdout, recipe.skip_bad
    )
    _check_files(source, facts, opened.path)
    source = with_class_order(source, facts["classes"], opened.path / "recipe.json")
    _log_differences(opened.path, facts, device)
    return share_between_processes(
        assemble(source, recipe, device, model, metrics=metrics, cbs=cbs, run=opened), processes
    )


def resume_fit(path: Path, **settings: Any) -> dict[str, Any]:
    """Finish a run and return its metrics; those of a finished run are read from its files."""
    run = Run.open(path)
    if run.is_finished:
        stored_recipe(run, **settings)
        log.warning("%s is finished: there is nothing left to train", path)
        return run.read_json("metrics.json")
    return resume_learner(path, **settings).fit_recipe()


def stored_recipe(run: Run, **settings: Any) -> Recipe:
    """Return the recipe of a run, with those of the `settings` that may change on resume.

    Raises:
        RecipeError: another setting differs from that of the run.
    """
    stored = run.recipe
    if settings.get("epochs", stored.epochs) != stored.epochs:
        raise RecipeError(
            f"epochs {settings['epochs']}: {run.path} is one cycle over {stored.epochs} epochs, and the learning rate "
            "of every step depends on that number; start a new run"
        )
    requested = Recipe.of(**stored.to_dict() | settings)
    for name in settings:
        if name not in CHANGEABLE_ON_RESUME and getattr(requested, name) != getattr(stored, name):
            raise RecipeError(
                f"{name} {settings[name]!r}: {run.path} has {getattr(stored, name)!r}; leave the setting out"
            )
    return replace(stored, **{name: getattr(requested, name) for name in CHANGEABLE_ON_RESUME})


def _check_files(source: Source, facts: dict, run: Path) -> None:
    """Check that the images are those that the run began with."""
    if source.fingerprint != facts["fingerprint"]:
        raise DataError(
            f"{source.name}: its files changed since {run} began ({facts['train_images']} + {facts['valid_images']} "
            f"images then, {len(source.train)} + {len(source.valid)} now); restore the files, or start a new run"
        )


def _log_differences(run: Path, facts: dict, device: torch.device) -> None:
    """Log a changed device, precision or version, with which the result may differ in its last digits."""
    now = {**versions(), "device": str(device), "precision": precision(device)}
    then = {**facts["versions"], **{name: facts[name] for name in ("device", "precision") if name in facts}}
    changed = [f"{name} {now[name]} instead of {then[name]}" for name in now if now[name] != then.get(name, now[name])]
    if changed:
        log.warning("%s is resumed with %s: its last digits may differ", run, ", ".join(changed))
