"""Which heatmaps a run gets: chosen on training images at its end, and kept in its `model.json`."""

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
from learners.stored_heatmaps import stored_heatmaps

if TYPE_CHECKING:
    from learners.learner import ImageLearner

log = logging.getLogger(__name__)

IMAGES = 200  # training images that the choice is made on, at the most
ON_A_CPU = 32  # so that it takes a small part of a training's time there
PART = 10  # and no more than every tenth training image


def choose_heatmaps(learn: "ImageLearner", methods: Sequence[str] = METHODS_TRIED) -> Choice:
    """Compare methods and layers on training images of a learner of this project; see `choose_method_and_layer`.

    A model without layers to take maps from gets the default method and no layer.
    """
    xb, labels = _training_images(learn)
    try:
        return choose_method_and_layer(learn.model, xb, labels, methods)
    except CamError as error:
        log.warning("no heatmaps were tried: %s", error)
        return Choice()


def run_heatmaps(run: Path, learn: "ImageLearner", method: str | None, layer: str | None) -> Choice:
    """The heatmaps to explain a finished run with.

    What the user names wins, then what the run's `model.json` keeps. A run of an earlier version keeps nothing: its
    layer is chosen now, in a moment, and `model.json` stays as it is.

    Args:
        method, layer: what the user named, or None.

    Raises:
        RunDirectoryError: `model.json` cannot be read.
    """
    if layer or method == "fusion":  # which has layers of its own
        return Choice(method or DEFAULT_METHOD, layer, "as asked for")
    kept = stored_heatmaps(run)
    if kept is None:
        with progress(1) as stage:
            stage("choosing a layer on training images")
            found = choose_heatmaps(learn, (method or DEFAULT_METHOD,))
        return replace(found, reason=f"{found.reason}; chosen now, model.json keeps none")
    if method and method != kept.method:
        return Choice(method, kept.layer, "the method as asked for, the layer as model.json keeps it")
    return replace(kept, reason=f"{kept.reason}; kept in model.json")


def _training_images(learn: "ImageLearner") -> tuple[Tensor, Tensor]:
    """Evenly spread training images, not augmented, and their labels."""
    files = learn.dls.source.train
    most = ON_A_CPU if learn.dls.device.type == "cpu" else IMAGES
    count = max(1, min(most, len(files) // PART))
    some = [files[i * len(files) // count] for i in range(count)]
    batches = chosen_batches(learn.dls.test_dl(some, with_labels=True), range(count))
    return torch.cat([xb for xb, *_ in batches]), torch.cat([yb for _, yb, _ in batches])
