"""Open an image and fit it into a square: the one way in which files, arrays and PIL images become pixels."""

from pathlib import Path

import numpy as np
from fastai.data.transforms import ToTensor
from fastai.torch_core import TensorCategory
from fastai.vision.core import PILImage
from fasttransform import Transform
from PIL import Image, ImageOps
from torch import Tensor

from .errors import DataError


def open_image(source: Path | str | np.ndarray | Tensor | bytes | Image.Image) -> PILImage:
    """An RGB image, turned upright as its EXIF orientation says.

    Args:
        source: a path, or whatever else fastai's `PILImage.create` takes.

    Raises:
        DataError: a file that is missing or no image, named.
    """
    if isinstance(source, Path | str):
        return _open_file(source)
    image = source if isinstance(source, Image.Image) else PILImage.create(source)
    return PILImage.create(image.convert("RGB"))


def _open_file(path: Path | str) -> PILImage:
    try:
        with Image.open(path) as image:
            return PILImage.create(ImageOps.exif_transpose(image).convert("RGB"))
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:  # what its readers raise
        reason = str(error).split(" '")[0] or type(error).__name__  # without the path once more
        raise DataError(f"{path}: not a readable image ({reason}); replace or remove it") from error


class FitSquare(Transform):
    """Resize the shorter side to `size` pixels and crop the centre."""

    order = 1  # before fastai's `ToTensor`

    def __init__(self, size: int):
        self.size = size

    def encodes(self, item):
        return fit_square(item, self.size) if isinstance(item, PILImage) else item  # see `encodes` below


@ToTensor
def encodes(self, target: TensorCategory) -> TensorCategory:
    """A target is a tensor already.

    Left to fasttransform's dispatch, it ends in an error that is dropped in a cycle of references, which keeps the
    image beside it alive until garbage is collected: hundreds of megabytes of large photographs.
    """
    return target


def fit_square(image: PILImage, size: int) -> PILImage:
    return PILImage.create(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR))


def read_pixels(path: Path, size: int) -> np.ndarray:
    """The pixels of a file, size×size×3, uint8."""
    return np.asarray(fit_square(open_image(path), size))
