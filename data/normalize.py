"""Bytes to normalised floats, on the device."""

import torch
from fastai.torch_core import TensorImage
from fastcore.foundation import L
from fasttransform import Transform
from torch import Tensor

from .cache import Stats


class NormalizeBytes(Transform):
    """uint8 images to float32 with mean 0 and deviation 1 in each channel; decodes to fractions of 255."""

    order = 99
    parameters = L("mean", "std")  # fastai moves these with the loader

    def __init__(self, stats: Stats):
        self.mean, self.std = (torch.tensor(values) for values in stats)

    def encodes(self, x: Tensor) -> Tensor:
        if not isinstance(x, TensorImage):
            # Targets. Left to fasttransform's dispatch, they end in an error that it drops in a cycle of
            # references, which keeps every batch alive until garbage is collected.
            return x
        pixels = x.as_subclass(Tensor).permute(0, 2, 3, 1)  # N×H×W×C
        width = pixels.shape[2]
        scale, shift = (1 / (255 * self.std)).repeat(width), (-self.mean / self.std).repeat(width)
        rows = pixels.flatten(2).float()  # N×H×WC: a CPU is slow to broadcast over three channels
        torch.addcmul(shift, rows, scale, out=rows)
        return rows.view(pixels.shape).permute(0, 3, 1, 2).as_subclass(type(x))  # N×C×H×W, channels-last

    def decodes(self, x: TensorImage) -> TensorImage:
        return (x * self.std[:, None, None] + self.mean[:, None, None]).clamp(0, 1)
