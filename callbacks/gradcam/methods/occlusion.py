"""Occlusion (Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901), alone and within Grad-CAM's map."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from callbacks.gradcam.cells import batch_of, blurred, grid_of, neighbours, to_map, to_pixels
from callbacks.gradcam.methods import register
from callbacks.gradcam.methods.gradcam import coarse_cells
from callbacks.gradcam.question import Question, margin

UNIT = "logits lost with 3×3 cells"


def occluded_cells(question: Question) -> Tensor:
    """What the margin loses without the 3×3 cells around a place: B×rows×columns, may be negative.

    A cell's value is the mean over the windows that hold it, and over two fills: blurred, and from noisy neighbours.
    """
    xb, targets = question.xb, question.checked_targets()
    windows = _windows(*grid_of(xb)).to(xb)  # W×rows×columns
    draw = torch.Generator().manual_seed(0)
    fills = blurred_fill, partial(neighbours, draw=draw)
    with torch.no_grad():
        lost = torch.stack([sum(_lost(question, i, targets, windows, fill) for fill in fills) for i in range(len(xb))])
    values = torch.einsum("bw,wij->bij", lost / len(fills), windows.to(lost))
    return values / windows.to(lost).sum(0)


def blurred_fill(xb: Tensor, removed: Tensor) -> Tensor:
    return torch.lerp(xb, blurred(xb), removed)


def _lost(question: Question, i: int, targets: Tensor, windows: Tensor, fill) -> Tensor:
    """What image i loses without each window, W numbers."""
    xb, after = question.xb[i : i + 1], []
    for some in windows.split(batch_of(xb)):
        shown = fill(xb.expand(len(some), -1, -1, -1), to_pixels(some, xb))
        after.append(margin(question.logits(shown), targets[i].expand(len(some))))
    return margin(question.logits(xb), targets[i : i + 1]) - torch.cat(after)


def _windows(rows: int, columns: int) -> Tensor:
    """1 in the 3×3 cells around each cell, cut off at the border: rows·columns × rows × columns."""
    centres = torch.eye(rows * columns).view(-1, 1, rows, columns)
    return F.max_pool2d(centres, 3, stride=1, padding=1)[:, 0]


@register("occlusion", unit=UNIT, weak=0.5)
def occlusion(question: Question) -> Tensor:
    """Maps B×H×W of `occluded_cells` that count; what speaks against the class is 0."""
    return to_map(occluded_cells(question).clamp(min=0), question.xb)


@register("gradcam-occlusion", unit=UNIT, weak=0.5)
def gradcam_occlusion(question: Question) -> Tensor:
    """The same, times Grad-CAM's map from 0 to 1."""
    return to_map(occluded_cells(question).clamp(min=0) * coarse_cells(question), question.xb)
