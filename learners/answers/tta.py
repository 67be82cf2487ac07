"""Test-time augmentation: the mean of the logits over six views of each image."""

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHIFTS = ((0, 0), (-1, -1), (1, 1))  # shifts of the views, in pixels down and right
WEIGHTS = (0.5, 0.25, 0.25)  # weights of the shifts in the mean


class SixViews(nn.Module):
    """A net that averages the logits of `model` over six views: three shifts of each image and of its mirror image.

    The shifts are none (weight 1/2) and one pixel to the upper left and to the lower right (1/4 each).

    Args:
        model: maps images N×C×H×W to logits N×classes.
        mirror: whether to use mirror images. Without them there are three views, for data such as digits.

    Source: Jordan 2024, https://arxiv.org/abs/2404.00498, 3.4.
    """

    def __init__(self, model: nn.Module, mirror: bool = True) -> None:
        super().__init__()
        self.model, self.mirror = model, mirror

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean logits, N×classes, of images N×C×H×W."""
        return reduce(torch.add, (w * self._sides(shifted(x, *s)) for w, s in zip(WEIGHTS, SHIFTS, strict=True)))

    def _sides(self, x: Tensor) -> Tensor:
        return (self.model(x) + self.model(x.flip(-1))) / 2 if self.mirror else self.model(x)


def shifted(x: Tensor, down: int, right: int) -> Tensor:
    """Return images N×C×H×W shifted by whole pixels, with a reflected border."""
    pad = max(abs(down), abs(right))
    if pad == 0:
        return x
    height, width = x.shape[-2:]
    top, left = pad - down, pad - right
    return F.pad(x, (pad,) * 4, mode="reflect")[..., top : top + height, left : left + width]
