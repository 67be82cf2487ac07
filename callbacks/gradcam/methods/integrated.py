"""Integrated gradients (Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365), also times Grad-CAM's map.

The path goes from the blurred image to the image, and the gradients are summed over cells.
"""

import torch
from torch import Tensor

from callbacks.gradcam.cells import batch_size_for, blurred, grid_of, to_map, to_pixels
from callbacks.gradcam.methods import register
from callbacks.gradcam.methods.gradcam import coarse_cells
from callbacks.gradcam.question import Question, margin

PATH_STEPS = 8  # points on the path at which the gradient is computed
UNIT = "logits lost with a cell"


def integrated_cells(question: Question) -> Tensor:
    """Return each cell's part of the rise of the margin from the blurred image to the image, B×rows×columns, in logits.

    The sum over the cells is the rise, up to the error of the sum over eight points.
    """
    targets, parts = question.checked_targets(), []
    for xb, wanted in zip(
        *(values.split(batch_size_for(question.xb)) for values in (question.xb, targets)), strict=True
    ):
        fill, total = blurred(xb), xb.new_zeros(len(xb), *grid_of(xb))
        for step in range(PATH_STEPS):
            level = xb.new_full((len(xb), *grid_of(xb)), (step + 0.5) / PATH_STEPS).requires_grad_()
            gain = margin(question.logits(torch.lerp(fill, xb, to_pixels(level, xb))), wanted).sum()
            total = total + torch.autograd.grad(gain, level)[0] / PATH_STEPS
        parts.append(total)
    return torch.cat(parts)


@register("integrated", unit=UNIT, weak=0.2)
def integrated(question: Question) -> Tensor:
    """Return maps B×H×W of `integrated_cells`; negative values, which are evidence against the class, are set to 0."""
    return to_map(integrated_cells(question).clamp(min=0), question.xb)


@register("gradcam-integrated", unit=UNIT, weak=0.2)
def gradcam_integrated(question: Question) -> Tensor:
    """Return the maps of `integrated` times Grad-CAM's map from 0 to 1."""
    return to_map(integrated_cells(question).clamp(min=0) * coarse_cells(question), question.xb)
