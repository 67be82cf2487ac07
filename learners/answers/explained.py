"""Compute heatmaps of a run's validation images. This module does not import fastai."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from callbacks.gradcam.choice import Choice
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import METHODS
from callbacks.gradcam.trust import Trust, measure_trust
from data.loading.floats import normalised
from learners.run_directory.opened_run import OpenedRun
from learners.run_directory.stored_heatmaps import stored_heatmaps


@dataclass(frozen=True)
class ExplainedImages:
    """k images with their heatmaps.

    Attributes:
        pixels: the images, k×size×size×3, uint8.
        predicted: heatmaps of the predicted classes, k×size×size, in `unit`.
        true: heatmaps of the true classes, k×size×size, in `unit`.
        trust: test results of the k heatmaps of the predicted classes.
        method: name of the heatmap method.
        unit: unit of the heatmaps' values.
        weak: minimum upper end of a figure's colour scale, in `unit`.
    """

    pixels: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    trust: list[Trust]
    method: str
    unit: str
    weak: float


def explained(
    opened: OpenedRun, run: Path, predicted: np.ndarray, true: np.ndarray, idxs: Sequence[int], controls: int
) -> ExplainedImages:
    """Return validation images with heatmaps of their predicted and true classes.

    The method and the layer are those in the run's `model.json`, or else the default ones.

    Args:
        opened: the model and the images.
        run: the run directory.
        predicted: k predicted classes.
        true: k true classes.
        idxs: indices of the k validation images.
        controls: maximum number of control areas per heatmap; see `measure_trust`.

    Raises:
        DataError: an image cannot be read; the message names it.
        CamError: the model has no layer that heatmaps can use.
    """
    choice = stored_heatmaps(run) or Choice()
    model, stats = opened.saved.model, opened.saved.stats
    pixels = np.stack([opened.source.valid[i].read(opened.plan.size) for i in idxs])
    device = next(model.parameters()).device
    mean, std = (torch.tensor(values, device=device) for values in stats)
    xb = normalised(torch.from_numpy(pixels).to(device), mean, std)
    both = torch.from_numpy(np.concatenate([predicted, true]))  # in one batch, to halve the number of passes
    maps = grad_cam(model, torch.cat([xb, xb]), both, choice.layer, choice.method)
    first, second = maps.split(len(xb))
    trust = measure_trust(model, xb, first, predicted.tolist(), controls=controls)
    method = METHODS[choice.method]
    return ExplainedImages(
        pixels, first.cpu().numpy(), second.cpu().numpy(), trust, choice.method, method.unit, method.weak
    )
