"""The learner of a finished run, with its weights."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from data.block import image_loaders
from learners.device import pick_device
from learners.factory import learner_of
from learners.learner import ImageLearner
from learners.opened_run import open_run


def load_run(
    run: str | Path, data: str | Path | None = None, device: str = "auto", model: nn.Module | None = None
) -> ImageLearner:
    """The learner of a finished run, with its weights.

    Args:
        data: images to validate on instead of the run's own: the validation split of a folder or a file of labels, or
            all of it where it has none. Its classes must be among the model's.
        device: auto, cpu, cuda or mps.
        model: a net for the weights, where its architecture is not a registered one.

    Raises:
        RunDirectoryError: see `load_model`.
        DataError: the images cannot be read, or are not those that the run was trained on.
    """
    opened = open_run(Path(run), data, model)
    place = pick_device(device)
    plan = replace(opened.plan, device=place.type)  # type: ignore[arg-type]  # torch has `type` as any str
    dls = image_loaders(opened.source, plan.loading, opened.saved.stats, place)
    return learner_of(dls, opened.saved.model, plan, plan)
