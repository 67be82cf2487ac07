"""Grad-CAM++ (Chattopadhay et al. 2018, https://arxiv.org/abs/1710.11063)."""

import torch
from torch import Tensor

from callbacks.gradcam.capture import at_layers
from callbacks.gradcam.methods import register


def gradcam_plus_plus(a: Tensor, g: Tensor) -> Tensor:
    """Return the sum over the channels, each weighted by its positive gradients as in equation 19 of the paper.

    The fraction of that equation is reduced by the squared gradient, so that it is exact also for tiny gradients. A
    channel's sum is clamped at 0, because the paper assumes rectified maps and the fraction has a pole below 0.

    Args:
        a: activations B×K×h×w.
        g: gradients B×K×h×w.
    """
    total = a.sum((2, 3), keepdim=True).clamp(min=0)  # B×K×1×1
    positive = g.clamp(min=0)
    weights = (positive / (2 + total * positive)).sum((2, 3))  # B×K
    return torch.einsum("bk,bkhw->bhw", weights, a).clamp(min=0)


register("gradcam++")(at_layers(gradcam_plus_plus))
