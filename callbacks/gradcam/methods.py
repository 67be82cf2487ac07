"""What a map is made of: activations and their gradients in, evidence out.

Every formula takes activations and the gradients of the target logit with respect to them, both B×K×h×w, and returns
maps B×h×w in logits: the value at a place is the evidence that the image would hold if all of it looked like that
place, so that the mean over a map, and not its sum, is the evidence in the image. Maps of coarse and fine layers, and
of small and large images, are then on one scale. Published formulas average over places where these sum; the factor is
h·w.
"""

import torch
from torch import Tensor


def gradcam(a: Tensor, g: Tensor) -> Tensor:
    """Each channel weighed by its summed gradient (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391)."""
    return _weighed(g.sum((2, 3)), a)


def gradcam_plus_plus(a: Tensor, g: Tensor) -> Tensor:
    """Positive gradients, weighed by equation 19 of Chattopadhay et al. 2018 (https://arxiv.org/abs/1710.11063).

    The fraction there is reduced by the squared gradient, which keeps it exact where gradients are tiny. A channel's
    sum counts from zero, as the paper's rectified maps do: below zero the fraction has a pole.
    """
    total = a.sum((2, 3), keepdim=True).clamp(min=0)  # B×K×1×1
    positive = g.clamp(min=0)
    return _weighed((positive / (2 + total * positive)).sum((2, 3)), a)


def hirescam(a: Tensor, g: Tensor) -> Tensor:
    """Gradient times activation, place by place (Draelos and Carin 2020, https://arxiv.org/abs/2011.08891)."""
    return (a * g).sum(1).clamp(min=0) * _places(a)


def layercam(a: Tensor, g: Tensor) -> Tensor:
    """The same with positive gradients alone (Jiang et al. 2021, https://doi.org/10.1109/TIP.2021.3089943)."""
    return (a * g.clamp(min=0)).sum(1).clamp(min=0) * _places(a)


METHODS = {
    "gradcam": gradcam,
    "gradcam++": gradcam_plus_plus,
    "hirescam": hirescam,
    "layercam": layercam,
    "fusion": layercam,  # of several layers: the maps that Jiang et al. made to be fused
}


def _weighed(weights: Tensor, a: Tensor) -> Tensor:
    """The rectified sum of channels, B×h×w, of weights B×K."""
    return torch.einsum("bk,bkhw->bhw", weights, a).clamp(min=0)


def _places(a: Tensor) -> int:
    return a.shape[2] * a.shape[3]
