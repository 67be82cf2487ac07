"""The fastai transforms of a `DataBlock` that open an image and turn it into a square tensor."""

from typing import Any

from fastai.data.load import DataLoader
from fastai.torch_core import TensorImage
from fastai.vision.core import PILImage, image2tensor
from fasttransform import Transform

from data.decoding.reading import fitted, open_rgb

# Methods that fastai lets users replace, and that change how a batch is made from the items
ITEM_METHODS = {"create_item", "create_batch", "create_batches", "do_batch", "retain", "sample"}


def open_image(source: object, size: int | None = None) -> PILImage:
    """Open an image of any kind in RGB, upright.

    Args:
        source: an item of a source, or any image that `open_rgb` accepts.
        size: see `open_rgb`.

    Raises:
        DataError: the image is missing, damaged or of an unknown kind; the message names it.
    """
    whole = source.open() if hasattr(source, "open") and not hasattr(source, "__fspath__") else source
    return PILImage.create(open_rgb(whole, size))


class OpenImage(Transform):
    """Opens each item of a `DataBlock` with `open_image`.

    Args:
        size: side of the square images, in pixels.
    """

    input_types = (object,)  # types of the items that fastai's `test_dl` accepts

    def __init__(self, size: int) -> None:
        self.size = size

    def encodes(self, item: object) -> Any:
        """Returns the opened image."""
        return open_image(item, self.size)


class SquareTensor(Transform):
    """Resizes and crops each image to a uint8 tensor 3×size×size; targets are unchanged.

    It replaces fastai's `ToTensor`. For a target, `ToTensor` catches an exception whose traceback keeps the image alive
    until the next garbage collection, which takes hundreds of megabytes for large photographs.

    Args:
        size: side of the square images, in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def encodes(self, item: object) -> Any:
        """Returns the tensor of an image, and any other item unchanged."""
        return TensorImage(image2tensor(fitted(item, self.size))) if isinstance(item, PILImage) else item


def only_makes_squares(loader: DataLoader, size: int) -> bool:
    """Whether the batches of a loader are square tensors of its items, with nothing changed by the user.

    Args:
        loader: a loader whose methods and transforms the user may have replaced.
        size: side of the square images, in pixels.
    """
    if ITEM_METHODS & vars(loader).keys() or getattr(loader.before_batch, "fs", True):
        return False
    return [t.size if isinstance(t, SquareTensor) else None for t in getattr(loader.after_item, "fs", [])] == [size]
