"""Heatmaps of a run's images, without fastai."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from callbacks.gradcam.choice import Choice
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import METHODS
from callbacks.gradcam.trust import Trust, measure_trust
from data.floats import normalised
from learners.opened_run import OpenedRun
from learners.stored_heatmaps import stored_heatmaps


@dataclass(frozen=True)
class ExplainedImages:
    """k images with heatmaps.

    Attributes:
        pixels: k×size×size×3, uint8.
        predicted, true: k×size×size, the evidence for either class, in logits.
        trust: k, of the maps for the predicted classes.
        method: of the maps.
        unit: of the maps' values.
        weak: a figure's scale reaches at least this far.
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
    """The validation images `idxs` with the heatmaps that the run's `model.json` names, or else the default ones.

    Args:
        predicted, true: k, the classes that the heatmaps are for.
        controls: of each map, at the most; see `measure_trust`.

    Raises:
        DataError: an image that cannot be read, named.
        CamError: the model has no layer with maps.
    """
    choice = stored_heatmaps(run) or Choice()
    model, stats = opened.saved.model, opened.saved.stats
    pixels = np.stack([opened.source.valid[i].read(opened.plan.size) for i in idxs])
    device = next(model.parameters()).device
    mean, std = (torch.tensor(values, device=device) for values in stats)
    xb = normalised(torch.from_numpy(pixels).to(device), mean, std)
    both = torch.from_numpy(np.concatenate([predicted, true]))  # in one batch: half the passes
    maps = grad_cam(model, torch.cat([xb, xb]), both, choice.layer, choice.method)
    first, second = maps.split(len(xb))
    trust = measure_trust(model, xb, first, predicted.tolist(), controls=controls)
    method = METHODS[choice.method]
    return ExplainedImages(
        pixels, first.cpu().numpy(), second.cpu().numpy(), trust, choice.method, method.unit, method.weak
    )
