"""Grad-CAM (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391), also over cells for the measured methods."""

import torch
from torch import Tensor

from callbacks.gradcam.capture import at_layers
from callbacks.gradcam.cells import grid_of, to_cells
from callbacks.gradcam.methods import register
from callbacks.gradcam.question import Question


def gradcam(a: Tensor, g: Tensor) -> Tensor:
    """Return the sum over the channels, each weighted by its summed gradient, clamped at 0.

    The paper averages the gradients over the h·w positions. With their sum, the mean of a map is the evidence in
    logits.

    Args:
        a: activations B×K×h×w.
        g: gradients B×K×h×w.
    """
    return torch.einsum("bk,bkhw->bhw", g.sum((2, 3)), a).clamp(min=0)


register("gradcam")(at_layers(gradcam))


def coarse_cells(question: Question) -> Tensor:
    """Return Grad-CAM at the question's layer, averaged over cells and divided by each map's maximum.

    The result is B×rows×columns with values from 0 to 1. A map without evidence remains zero.
    """
    cells = to_cells(at_layers(gradcam)(question), grid_of(question.xb))
    return cells / cells.amax((1, 2), keepdim=True).clamp(min=1e-12)
