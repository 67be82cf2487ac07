"""Resume a run that was stopped, as if it never had been."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from callbacks.training.means import accuracy
from data import DataError, Source, open_source
from data.common.launch import process_rank
from learners.class_order import with_class_order
from learners.device import pick_device, precision
from learners.factory import Callbacks, Metrics, assemble
from learners.learner import ImageLearner
from learners.multi_process import check_process_count, join_processes, share_between_processes
from learners.provenance import versions
from learners.recipe import Recipe, RecipeError
from learners.run import CHANGEABLE_ON_RESUME, Run

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
    """A `Learner` whose `fit_recipe` continues where the run in this directory stopped.

    Args:
        run: the run directory.
        data: the data set, where the run was given an object and not a name or a path.
        model: the net, where the run was given one and not the name of an architecture.
        metrics, cbs: as the run was given them.
        settings: fields of `Recipe`, as a check; `device`, `workers`, `cache` and `graph` may differ from the run's.

    Raises:
        RunDirectoryError: no run, or one that another process works on.
        RecipeError: a setting that contradicts the run's.
        DataError: the images are not those that the run began with.
        ProcessesError: the run was trained by another number of processes.
    """
    opened = Run.open(run)
    recipe = stored_recipe(opened, **settings)
    facts = opened.description
    check_process_count(opened.path, facts)
    if process_rank() == 0:
        with opened.claimed():  # refuse at once, before the images are read
            facts = opened.description
    opened.new = False
    device = pick_device(recipe.device)
    processes = join_processes(device, run)
    source = open_source(
        recipe.data if data is None else data, recipe.seed, recipe.limit, recipe.holdout, recipe.skip_bad
    )
    _check_files(source, facts, opened.path)
    source = with_class_order(source, facts["classes"], opened.path / "recipe.json")
    _tell_differences(opened.path, facts, device)
    return share_between_processes(
        assemble(source, recipe, device, model, metrics=metrics, cbs=cbs, run=opened), processes
    )


def resume_fit(path: Path, **settings: Any) -> dict[str, Any]:
    """Finish a run and return its metrics; those of a finished run are read."""
    run = Run.open(path)
    if run.is_finished:
        stored_recipe(run, **settings)
        log.warning("%s is finished: there is nothing left to do", path)
        return run.read_json("metrics.json")
    return resume_learner(path, **settings).fit_recipe()


def stored_recipe(run: Run, **settings: Any) -> Recipe:
    """The recipe of a run, with `settings` in place of what may differ.

    Raises:
        RecipeError: a setting that contradicts it.
    """
    stored = run.recipe
    if settings.get("epochs", stored.epochs) != stored.epochs:
        raise RecipeError(
            f"epochs {settings['epochs']}: {run.path} is one cycle over {stored.epochs} epochs, and the rate of every "
            "step depends on that number; start a new run for another"
        )
    wanted = Recipe.of(**stored.to_dict() | settings)
    for name in settings:
        if name not in CHANGEABLE_ON_RESUME and getattr(wanted, name) != getattr(stored, name):
            raise RecipeError(
                f"{name} {settings[name]!r}: {run.path} has {getattr(stored, name)!r}; leave the setting out"
            )
    return replace(stored, **{name: getattr(wanted, name) for name in CHANGEABLE_ON_RESUME})


def _check_files(source: Source, facts: dict, run: Path) -> None:
    """Refuse images that are not those that the run began with."""
    if source.fingerprint != facts["fingerprint"]:
        raise DataError(
            f"{source.name}: its files changed since {run} began ({facts['train_images']} + {facts['valid_images']} "
            f"images then, {len(source.train)} + {len(source.valid)} now); put them back, or start a new "
            "run"
        )


def _tell_differences(run: Path, facts: dict, device: torch.device) -> None:
    """Exactness is promised for the same device, precision and versions."""
    now = {**versions(), "device": str(device), "precision": precision(device)}
    then = {**facts["versions"], **{name: facts[name] for name in ("device", "precision") if name in facts}}
    changed = [f"{name} {now[name]} instead of {then[name]}" for name in now if now[name] != then.get(name, now[name])]
    if changed:
        log.warning("%s is resumed with %s: its last digits may differ", run, ", ".join(changed))
