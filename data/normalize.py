"""Normalisation as a transform of fastai's batches, on the device."""

import torch
from fastai.torch_core import TensorImage
from fastcore.foundation import L
from fasttransform import Transform
from torch import Tensor

from data.cache import Stats
from data.floats import normalised


class NormalizeBytes(Transform):
    """uint8 images, or floats from 0 to 1, to float32 with mean 0 and deviation 1 in each channel.

    It decodes to fractions of 255.
    """

    order = 99
    per_image = True  # each image alone decides its result: several batches may be treated at once
    parameters = L("mean", "std")  # fastai moves these with the loader

    def __init__(self, stats: Stats) -> None:
        self.mean, self.std = (torch.tensor(values) for values in stats)

    def encodes(self, x: Tensor) -> Tensor:
        if not isinstance(x, TensorImage):
            # Targets. Left to fasttransform's dispatch, they end in an error that it drops in a cycle of
            # references, which keeps every batch alive until garbage is collected.
            return x
        if x.is_floating_point():
            return (x - self.mean[:, None, None]) / self.std[:, None, None]
        pixels = x.as_subclass(Tensor).permute(0, 2, 3, 1)  # N×H×W×C
        return normalised(pixels, self.mean, self.std).as_subclass(type(x))

    def decodes(self, x: TensorImage) -> TensorImage:
        return (x * self.std[:, None, None] + self.mean[:, None, None]).clamp(0, 1)
