"""Load a finished run as a learner."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from data.block import image_loaders
from learners.device import pick_device
from learners.factory import learner_of
from learners.learner import ImageLearner
from learners.run_directory.opened_run import open_run


def load_run(
    run: str | Path, data: str | Path | None = None, device: str = "auto", model: nn.Module | None = None
) -> ImageLearner:
    """Return a learner with the weights of a finished run.

    Args:
        run: the run directory.
        data: see `open_run`.
        device: auto, cpu, cuda or mps.
        model: the net to load the weights into, if its architecture is not registered.

    Raises:
        RunDirectoryError: see `load_model`.
        DataError: the images cannot be read, or are not those that the run was trained on.
    """
    opened = open_run(Path(run), data, model)
    torch_device = pick_device(device)
    plan = replace(opened.plan, device=torch_device.type)  # type: ignore[arg-type]  # torch types it as any str
    dls = image_loaders(opened.source, plan.loading, opened.saved.stats, torch_device)
    return learner_of(dls, opened.saved.model, plan, plan)
