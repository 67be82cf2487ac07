"""Load the model and the images of a finished run.

This module does not import fastai, whose import takes longer than an evaluation on a GPU.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from data import DataError, Source, open_source, validation_source
from learners.recipe import Plan
from learners.run_directory.class_order import with_class_order
from learners.run_directory.model_files import SavedModel, load_model
from learners.run_directory.run import Run


@dataclass(frozen=True)
class OpenedRun:
    """The model of a finished run and the images to validate on.

    Attributes:
        saved: the model and its description.
        source: the images to validate on.
        plan: the settings of the run, adapted to those images.
    """

    saved: SavedModel
    source: Source
    plan: Plan


def open_run(path: Path, data: str | Path | None, model: nn.Module | None = None) -> OpenedRun:
    """Load the model of a finished run and the images to validate on.

    Args:
        path: the run directory.
        data: images to validate on instead of the run's own: a folder or a table of labels, of which the validation
            split is used, or all images if it has none. The model must know its classes.
        model: see `load_model`.

    Raises:
        RunDirectoryError: see `load_model`; or `recipe.json` cannot be read.
        DataError: the images cannot be read, or are not those that the run was trained on.
    """
    saved = load_model(path, model)
    run = Run.open(path)
    if data is None:
        source = with_class_order(own_source(run), saved.classes, path / "model.json")
        return OpenedRun(saved, source, run.recipe.plan_for(source))
    source = validation_source(data, saved.classes)
    recipe = run.recipe
    batch_size = min(recipe.batch_size or 1, len(source.valid))
    recipe = replace(recipe, data=source.name, batch_size=batch_size, cache="none")
    return OpenedRun(saved, source, recipe.resolve(len(source.valid), source.size, source.mirror, source.crop))


def own_source(run: Run) -> Source:
    """Return the images that a run was trained and validated on.

    Raises:
        DataError: the images cannot be read, or have changed since the run.
    """
    recipe = run.recipe
    source = open_source(recipe.data, recipe.seed, recipe.limit, recipe.holdout, recipe.skip_bad)
    if source.fingerprint != run.description["fingerprint"]:
        raise DataError(f"{recipe.data}: its files are not those of the run; name another folder as `data`")
    return source
