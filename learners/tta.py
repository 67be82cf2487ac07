"""Test-time augmentation: the mean of the logits over six views of each image."""

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHIFTS = ((0, 0), (-1, -1), (1, 1))  # pixels down and right
WEIGHTS = (0.5, 0.25, 0.25)


class SixViews(nn.Module):
    """`model` on each image and its mirror image: in place, for half of the weight, and shifted by a pixel both ways.

    Args:
        model: gives the logits of one view, N×classes, for N×C×H×W.
        mirror: without it there are three views, for data that mirroring changes (digits).

    Source: Jordan 2024, https://arxiv.org/abs/2404.00498, 3.4.
    """

    def __init__(self, model: nn.Module, mirror: bool = True) -> None:
        super().__init__()
        self.model, self.mirror = model, mirror

    def forward(self, x: Tensor) -> Tensor:
        return reduce(torch.add, (w * self._sides(shifted(x, *s)) for w, s in zip(WEIGHTS, SHIFTS, strict=True)))

    def _sides(self, x: Tensor) -> Tensor:
        return (self.model(x) + self.model(x.flip(-1))) / 2 if self.mirror else self.model(x)


def shifted(x: Tensor, down: int, right: int) -> Tensor:
    """N×C×H×W moved by whole pixels; the border is reflected in."""
    pad = max(abs(down), abs(right))
    if pad == 0:
        return x
    height, width = x.shape[-2:]
    top, left = pad - down, pad - right
    return F.pad(x, (pad,) * 4, mode="reflect")[..., top : top + height, left : left + width]
