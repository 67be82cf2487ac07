"""The batch transform that normalises images on the device."""

import torch
from fastai.torch_core import TensorImage
from fastcore.foundation import L
from fasttransform import Transform
from torch import Tensor

from data.decoding.cache import Stats
from data.loading.floats import normalised


class NormalizeBytes(Transform):
    """Normalises images to float32 with mean 0 and standard deviation 1 in each channel.

    The input is N×C×H×W, uint8 or floats from 0 to 1. Decoding returns floats from 0 to 1.

    Args:
        stats: mean and standard deviation of the training images.
    """

    order = 99  # position among the transforms of fastai: last, as its `Normalize`
    per_image = True  # each image is transformed independently, so several batches can be transformed together
    parameters = L("mean", "std")  # names of the tensors that fastai moves to the device of the loader

    def __init__(self, stats: Stats) -> None:
        self.mean, self.std = (torch.tensor(values) for values in stats)

    def encodes(self, x: Tensor) -> Tensor:
        """Returns normalised images, and targets unchanged."""
        if not isinstance(x, TensorImage):
            # Without this check, fasttransform catches an exception for the targets whose traceback keeps every
            # batch alive until the next garbage collection.
            return x
        if x.is_floating_point():
            return (x - self.mean[:, None, None]) / self.std[:, None, None]
        pixels = x.as_subclass(Tensor).permute(0, 2, 3, 1)  # N×H×W×C
        return normalised(pixels, self.mean, self.std).as_subclass(type(x))

    def decodes(self, x: TensorImage) -> TensorImage:
        """Returns the images as floats from 0 to 1."""
        return (x * self.std[:, None, None] + self.mean[:, None, None]).clamp(0, 1)
