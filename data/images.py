"""Any kind of image to the tensor that a `DataBlock` needs: open it, fit it into a square."""

from typing import Any

from fastai.torch_core import TensorImage
from fastai.vision.core import PILImage, image2tensor
from fasttransform import Transform

from data.reading import fitted, open_rgb


def open_image(source: object, size: int | None = None) -> PILImage:
    """An image of any kind as a person sees it, in RGB.

    Args:
        source: an item of a source, or whatever `open_rgb` takes.
        size: see `open_rgb`.

    Raises:
        DataError: an image that is missing, damaged or of another kind, named.
    """
    whole = source.open() if hasattr(source, "open") and not hasattr(source, "__fspath__") else source
    return PILImage.create(open_rgb(whole, size))


class OpenImage(Transform):
    """`open_image` for an item of a `DataBlock` whose images are squares of `size` pixels."""

    input_types = (object,)  # fastai's `test_dl` takes items of these types

    def __init__(self, size: int) -> None:
        self.size = size

    def encodes(self, item: object) -> Any:
        return open_image(item, self.size)


class SquareTensor(Transform):
    """An image to a uint8 tensor 3×size×size, its shorter side resized and its centre cropped; targets stay.

    It stands in the place of fastai's `ToTensor`, whose dispatch finds nothing for a target and ends in an error that
    is dropped in a cycle of references. That keeps the image beside the target alive until garbage is collected:
    hundreds of megabytes of large photographs.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def encodes(self, item: object) -> Any:
        return TensorImage(image2tensor(fitted(item, self.size))) if isinstance(item, PILImage) else item
