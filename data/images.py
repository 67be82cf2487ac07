"""Any kind of image to the tensor that a `DataBlock` needs: open it, fit it into a square."""

from pathlib import Path
from typing import Any

import numpy as np
from fastai.torch_core import TensorImage
from fastai.vision.core import PILImage, image2tensor
from fasttransform import Transform
from PIL import Image
from torch import Tensor

from data.decode import fitted, open_rgb
from data.items import ImageItem


def open_image(source: ImageItem | Path | str | np.ndarray | Tensor | bytes | Image.Image) -> PILImage:
    """An RGB image, turned upright as its EXIF orientation says.

    Args:
        source: an item of a source, a path, or whatever else fastai's `PILImage.create` takes.

    Raises:
        DataError: a file that is missing or no image, named.
    """
    if isinstance(source, Path | str):
        return PILImage.create(open_rgb(source))
    if isinstance(source, np.ndarray | Tensor | bytes):
        return PILImage.create(PILImage.create(source).convert("RGB"))
    return PILImage.create(source.convert("RGB") if isinstance(source, Image.Image) else source.open())


class OpenImage(Transform):
    """`open_image` for an item of a `DataBlock`."""

    input_types = (object,)  # fastai's `test_dl` takes items of these types

    def encodes(self, item: Any) -> Any:
        return open_image(item)


class SquareTensor(Transform):
    """An image to a uint8 tensor 3×size×size, its shorter side resized and its centre cropped; targets stay.

    It stands in the place of fastai's `ToTensor`, whose dispatch finds nothing for a target and ends in an error that
    is dropped in a cycle of references. That keeps the image beside the target alive until garbage is collected:
    hundreds of megabytes of large photographs.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def encodes(self, item: Any) -> Any:
        return TensorImage(image2tensor(fitted(item, self.size))) if isinstance(item, PILImage) else item
