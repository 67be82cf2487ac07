"""Grad-CAM++ (Chattopadhay et al. 2018, https://arxiv.org/abs/1710.11063)."""

import torch
from torch import Tensor

from callbacks.gradcam.capture import at_layers
from callbacks.gradcam.methods import register


def gradcam_plus_plus(a: Tensor, g: Tensor) -> Tensor:
    """Weigh positive gradients by equation 19 of the paper.

    The fraction there is reduced by the squared gradient, which keeps it exact where gradients are tiny. A channel's
    sum counts from zero, as the paper's rectified maps do: below zero the fraction has a pole.
    """
    total = a.sum((2, 3), keepdim=True).clamp(min=0)  # B×K×1×1
    positive = g.clamp(min=0)
    weights = (positive / (2 + total * positive)).sum((2, 3))  # B×K
    return torch.einsum("bk,bkhw->bhw", weights, a).clamp(min=0)


register("gradcam++")(at_layers(gradcam_plus_plus))
