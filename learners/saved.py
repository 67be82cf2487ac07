"""The learner of a finished run, with its weights."""

from dataclasses import replace
from pathlib import Path

import torch

from data import image_dls
from data.cache import Stats
from learners.device import pick_device
from learners.evaluation import load_model, source_and_recipe
from learners.factory import assemble
from learners.learner import ImageLearner


def load_run(run: str | Path, data: str | Path | None = None, device: str = "auto") -> ImageLearner:
    """The learner of a finished run, with its weights.

    Args:
        data: a folder to validate on instead of the run's own images: its validation split, or all of it where it
            has none. Its classes must be among the model's.
        device: auto, cpu, cuda or mps.

    Raises:
        RunDirectoryError: see `load_model`.
        DataError: the images cannot be had, or are not those that the run was trained on.
    """
    run = Path(run)
    model, description = load_model(run)
    source, recipe = source_and_recipe(run, description, data)
    device = pick_device(device)
    stats = Stats(tuple(description["mean"]), tuple(description["std"]))
    dls = image_dls(source, replace(recipe, device=device.type), stats).to(device)
    return assemble(dls, model.to(device, memory_format=torch.channels_last))
