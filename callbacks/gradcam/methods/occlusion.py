"""Occlusion (Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901), also times Grad-CAM's map."""

import torch
from torch import Tensor
from torch.nn import functional as F

from callbacks.gradcam.cells import batch_size_for, blurred, filled_from_neighbours, grid_of, to_map, to_pixels
from callbacks.gradcam.methods import register
from callbacks.gradcam.methods.gradcam import coarse_cells
from callbacks.gradcam.question import Question, margin

UNIT = "logits lost with 3×3 cells"


def occluded_cells(question: Question) -> Tensor:
    """Return the fall of the margin when windows of 3×3 cells are removed: B×rows×columns in logits, may be negative.

    A cell's value is the mean over the windows that contain it, and over two fills: blurred, and means of nearby
    pixels.
    """
    xb, targets = question.xb, question.checked_targets()
    windows = _windows(*grid_of(xb)).to(xb)  # W×rows×columns
    with torch.no_grad():
        lost = [_lost_margins(question, xb[i : i + 1], targets[i : i + 1], windows) for i in range(len(xb))]
    windows = windows.to(lost[0])
    return torch.einsum("bw,wij->bij", torch.stack(lost), windows) / windows.sum(0)


def _lost_margins(question: Question, image: Tensor, target: Tensor, windows: Tensor) -> Tensor:
    """Return the fall of the margin of one image, 1×C×H×W, without each window, W numbers: the mean over both fills."""
    generator = torch.Generator().manual_seed(0)  # per image, so that the result does not depend on the batch
    after = []
    for some in windows.split(batch_size_for(image)):
        xb, removed = image.expand(len(some), -1, -1, -1), to_pixels(some, image)
        fills = torch.lerp(xb, blurred(image).expand_as(xb), removed), filled_from_neighbours(xb, removed, generator)
        blurry, noisy = (margin(question.logits(fill), target.expand(len(some))) for fill in fills)
        after.append((blurry + noisy) / 2)
    return margin(question.logits(image), target) - torch.cat(after)


def _windows(rows: int, columns: int) -> Tensor:
    """Return for each cell a window with 1 in the 3×3 cells around it, cut off at the border.

    The shape is (rows·columns) × rows × columns.
    """
    centres = torch.eye(rows * columns).view(-1, 1, rows, columns)
    return F.max_pool2d(centres, 3, stride=1, padding=1)[:, 0]


@register("occlusion", unit=UNIT, weak=0.5)
def occlusion(question: Question) -> Tensor:
    """Return maps B×H×W of `occluded_cells`; negative values, which are evidence against the class, are set to 0."""
    return to_map(occluded_cells(question).clamp(min=0), question.xb)


@register("gradcam-occlusion", unit=UNIT, weak=0.5)
def gradcam_occlusion(question: Question) -> Tensor:
    """Return the maps of `occlusion` times Grad-CAM's map from 0 to 1."""
    return to_map(occluded_cells(question).clamp(min=0) * coarse_cells(question), question.xb)
