"""Choose the heatmap method and layer of a run, on training images and at its end."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from callbacks.gradcam.choice import METHODS_TRIED, Choice, choose_method_and_layer
from callbacks.gradcam.layers import CamError
from callbacks.gradcam.loader_images import chosen_batches
from callbacks.gradcam.methods import DEFAULT_METHOD
from callbacks.gradcam.stage_progress import progress
from learners.run_directory.stored_heatmaps import stored_heatmaps

if TYPE_CHECKING:
    from learners.learner import ImageLearner

log = logging.getLogger(__name__)

MAX_IMAGES = 200  # training images that the methods are compared on
MAX_CPU_IMAGES = 32  # the same on a CPU, so that the comparison takes a small part of the training time
MIN_SPACING = 10  # smallest distance between two of those images: at most a tenth of the training images is used


def choose_heatmaps(learn: "ImageLearner", methods: Sequence[str] = METHODS_TRIED) -> Choice:
    """Choose a method and a layer by comparing them on training images of a learner; see `choose_method_and_layer`.

    A model without convolutions gets the default method and no layer.

    Args:
        learn: the learner.
        methods: names of the methods to compare.
    """
    xb, labels = _training_images(learn)
    try:
        return choose_method_and_layer(learn.model, xb, labels, methods)
    except CamError as error:
        log.warning("no heatmap methods were compared: %s", error)
        return Choice()


def run_heatmaps(run: Path, learn: "ImageLearner", method: str | None, layer: str | None) -> Choice:
    """Return the heatmap method and layer for a finished run.

    The user's choice comes first, then the one in the run's `model.json`. The `model.json` of an older run has none;
    then the layer is chosen now, and the file is not changed.

    Args:
        run: the run directory.
        learn: the learner of the run.
        method: the method that the user named, or None.
        layer: the layer that the user named, or None.

    Raises:
        RunDirectoryError: `model.json` cannot be read.
    """
    if layer or method == "fusion":  # fusion combines several layers itself
        return Choice(method or DEFAULT_METHOD, layer, "as asked for")
    kept = stored_heatmaps(run)
    if kept is None:
        with progress(1) as stage:
            stage("choosing a layer on training images")
            found = choose_heatmaps(learn, (method or DEFAULT_METHOD,))
        return replace(found, reason=f"{found.reason}; chosen now, because model.json has none")
    if method and method != kept.method:
        return Choice(method, kept.layer, "the method as asked for, the layer from model.json")
    return replace(kept, reason=f"{kept.reason}; stored in model.json")


def _training_images(learn: "ImageLearner") -> tuple[Tensor, Tensor]:
    """Return evenly spaced training images without augmentation, N×3×H×W, and their labels, N."""
    files = learn.dls.source.train
    most = MAX_CPU_IMAGES if learn.dls.device.type == "cpu" else MAX_IMAGES
    count = max(1, min(most, len(files) // MIN_SPACING))
    some = [files[i * len(files) // count] for i in range(count)]
    batches = chosen_batches(learn.dls.test_dl(some, with_labels=True), range(count))
    return torch.cat([xb for xb, *_ in batches]), torch.cat([yb for _, yb, _ in batches])
