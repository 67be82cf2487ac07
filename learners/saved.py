"""The learner of a finished run, with its weights."""

from dataclasses import replace
from pathlib import Path

import torch

from data import image_dls
from learners.device import pick_device
from learners.evaluation import open_run
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
    model, stats, source, recipe = open_run(Path(run), data)
    place = pick_device(device)
    dls = image_dls(source, replace(recipe, device=place.type), stats).to(place)
    return assemble(dls, model.to(place, memory_format=torch.channels_last))
