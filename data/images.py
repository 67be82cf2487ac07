"""Open an image and fit it into a square: how files, arrays and PIL images become the items of a `DataBlock`."""

from pathlib import Path

import numpy as np
from fastai.data.transforms import ToTensor
from fastai.torch_core import TensorCategory
from fastai.vision.core import PILImage
from fasttransform import Transform
from PIL import Image
from torch import Tensor

from data.folders import ImageFile
from data.decode import fitted, open_rgb


def open_image(source: ImageFile | Path | str | np.ndarray | Tensor | bytes | Image.Image) -> PILImage:
    """An RGB image, turned upright as its EXIF orientation says.

    Args:
        source: a path, or whatever else fastai's `PILImage.create` takes.

    Raises:
        DataError: a file that is missing or no image, named.
    """
    if isinstance(source, ImageFile):
        source = source.path
    if isinstance(source, Path | str):
        return PILImage.create(open_rgb(source))
    image = source if isinstance(source, Image.Image) else PILImage.create(source)
    return PILImage.create(image.convert("RGB"))


class FitSquare(Transform):
    """Resize the shorter side to `size` pixels and crop the centre."""

    order = 1  # before fastai's `ToTensor`

    def __init__(self, size: int):
        self.size = size

    def encodes(self, item):
        return PILImage.create(fitted(item, self.size)) if isinstance(item, PILImage) else item  # see `encodes` below


@ToTensor
def encodes(self, target: TensorCategory) -> TensorCategory:
    """A target is a tensor already.

    Left to fasttransform's dispatch, it ends in an error that is dropped in a cycle of references, which keeps the
    image beside it alive until garbage is collected: hundreds of megabytes of large photographs.
    """
    return target
