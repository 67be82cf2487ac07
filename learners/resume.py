"""Go on with a run that was stopped, as if it never had been."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from data import DataError, image_dls, open_source
from learners.device import pick_device, precision
from learners.factory import assemble, initial_model
from learners.learner import ImageLearner
from learners.provenance import versions
from learners.recipe import Recipe, RecipeError
from learners.run import FREE, claimed, read_json, read_recipe

log = logging.getLogger(__name__)


def resume_learner(run: str | Path, **settings: Any) -> ImageLearner:
    """A `Learner` whose `fit_recipe` goes on where the run in this directory stopped.

    Args:
        run: the run directory.
        settings: fields of `Recipe`, as a check; `device`, `workers` and `cache` may differ from the run's.

    Raises:
        RunDirectoryError: no run, or one that another process works on.
        RecipeError: a setting that contradicts the run's.
        DataError: the images are not those that the run began with.
    """
    run = Path(run)
    recipe = stored_recipe(run, **settings)
    with claimed(run, new=False):  # refuse at once, before the images are read
        facts = read_json(run, "recipe.json")
    device = pick_device(recipe.device)
    source = open_source(recipe.data, recipe.seed, recipe.limit, recipe.holdout)
    if source.fingerprint != facts["fingerprint"]:
        raise DataError(
            f"{recipe.data}: its files changed since {run} began ({facts['train_images']} + {facts['valid_images']} "
            f"images then, {len(source.train)} + {len(source.valid)} now); put them back, or begin a new run"
        )
    _tell_differences(run, facts, device)
    dls = image_dls(source, recipe).to(device)
    return assemble(dls, initial_model(dls), out=run, new=False)


def resume_fit(run: Path, **settings: Any) -> dict:
    """Finish a run and return its metrics; those of a finished run are read."""
    if (run / "metrics.json").exists():
        stored_recipe(run, **settings)
        log.warning("%s is finished: there is nothing left to do", run)
        return read_json(run, "metrics.json")
    return resume_learner(run, **settings).fit_recipe()


def stored_recipe(run: Path, **settings: Any) -> Recipe:
    """The recipe of a run, with `settings` in place of what may differ.

    Raises:
        RecipeError: a setting that contradicts it.
    """
    facts = read_json(run, "recipe.json")
    stored = read_recipe(facts)
    if settings.get("epochs", stored.epochs) != stored.epochs:
        raise RecipeError(
            f"epochs {settings['epochs']}: {run} is one cycle over {stored.epochs} epochs, and the rate of every "
            "step depends on that number; begin a new run for another"
        )
    wanted = Recipe.of(**stored.to_dict() | settings)
    for name in settings:
        if name not in FREE and getattr(wanted, name) != getattr(stored, name):
            raise RecipeError(f"{name} {settings[name]!r}: {run} has {getattr(stored, name)!r}; leave the setting out")
    return replace(stored, **{name: getattr(wanted, name) for name in FREE})


def _tell_differences(run: Path, facts: dict, device: torch.device) -> None:
    """Exactness is promised for the same device, precision and versions."""
    now = {**versions(), "device": str(device), "precision": precision(device)}
    then = {**facts["versions"], **{name: facts[name] for name in ("device", "precision") if name in facts}}
    changed = [f"{name} {now[name]} instead of {then[name]}" for name in now if now[name] != then.get(name, now[name])]
    if changed:
        log.warning("%s goes on with %s: its last digits may differ", run, ", ".join(changed))
