"""Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391), and the same as a guide for finer methods."""

import torch
from torch import Tensor

from callbacks.gradcam.capture import at_layers
from callbacks.gradcam.cells import grid_of, to_cells
from callbacks.gradcam.methods import register
from callbacks.gradcam.question import Question


def gradcam(a: Tensor, g: Tensor) -> Tensor:
    """Weigh each channel by its summed gradient, add up, and clamp at 0.

    The paper averages the gradients over the h·w places. The sum gives maps whose mean is the evidence in logits.
    """
    return torch.einsum("bk,bkhw->bhw", g.sum((2, 3)), a).clamp(min=0)


register("gradcam")(at_layers(gradcam))


def coarse_cells(question: Question) -> Tensor:
    """Grad-CAM at the question's layer as B×rows×columns, from 0 to 1: each map is divided by its maximum.

    A map without evidence stays a map of zeros.
    """
    cells = to_cells(at_layers(gradcam)(question), grid_of(question.xb))
    return cells / cells.amax((1, 2), keepdim=True).clamp(min=1e-12)
