"""Use a dataset object as a source: one of torchvision, or any other whose items are (image, label)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from data.common.errors import DataError
from data.sources.registry import Splits

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image


class ImageDataset(Protocol):
    """A map-style dataset whose items start with an image and the number of its class, counted from 0.

    The image is of any kind that `open_rgb` accepts: a PIL image, an array, a tensor or a path. It must be the same at
    each access, because random transforms belong in the pipeline of the loader. The attribute `classes` is optional
    and lists the names of the classes.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class DatasetImage:
    """One image of a dataset, which is taken from the dataset each time it is read.

    Attributes:
        dataset: the dataset.
        index: index of the image in the dataset.
        label: name of its class.
        digest: SHA-256 digest of its size and pixels.
    """

    dataset: ImageDataset = field(repr=False)
    index: int
    label: str
    digest: str

    @property
    def identity(self) -> tuple[str | int, ...]:
        """Label and digest."""
        return self.label, self.digest

    @property
    def version(self) -> None:
        """None, because a dataset does not report changes."""

    def read(self, size: int) -> np.ndarray:
        """See `ImageItem.read`."""
        import numpy as np

        from data.decoding.reading import fitted

        return np.asarray(fitted(self.open(), size))

    def open(self) -> Image.Image:
        """See `ImageItem.open`."""
        from data.decoding.reading import open_rgb

        return open_rgb(self.dataset[self.index][0], name=_place(self.dataset, self.index))


def dataset_splits(data: ImageDataset | tuple[ImageDataset, ImageDataset]) -> Splits:
    """Returns the images of a dataset, each of which is read once to compute its digest.

    Args:
        data: a dataset, or a pair of datasets for training and validation.

    Raises:
        DataError: `data` is not a dataset, or an item is not an image with a label; the message names it.
    """
    train, valid = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    classes = _classes(train)
    items = _items(train, classes)
    names = classes or [str(n) for n in sorted({int(item.label) for item in items})]
    return Splits(items, None if valid is None else _items(valid, classes), names)


def _classes(dataset: ImageDataset) -> list[str]:
    """Returns the names of the classes, or an empty list if the dataset has none.

    A class of torchvision's ImageNet is a tuple of synonyms, which are joined.
    """
    named = getattr(dataset, "classes", None) or ()
    names = [name if isinstance(name, str) else ", ".join(map(str, name)) for name in named]
    if len(set(names)) < len(names):
        raise DataError(f"{type(dataset).__name__}: two of its `classes` have the same name; rename one")
    return names


def _items(dataset: ImageDataset, classes: Sequence[str]) -> list[DatasetImage]:
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(
            f"{type(dataset).__name__}: neither a path nor a dataset; a dataset has `__len__` and `__getitem__`"
        )
    return [_item(dataset, i, classes) for i in range(len(dataset))]


def _item(dataset: ImageDataset, index: int, classes: Sequence[str]) -> DatasetImage:
    from data.decoding.reading import open_rgb

    where = _place(dataset, index)
    try:
        image, label = dataset[index][:2]
        number = int(label)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: not a pair of an image and a class number ({error}); correct the dataset") from error
    if number < 0 or (classes and number >= len(classes)):
        allowed = f"from 0 to {len(classes) - 1}" if classes else "0 or more"
        raise DataError(f"{where}: class number {number} must be {allowed}; correct the label")
    pixels = open_rgb(image, name=where)
    digest = hashlib.sha256(f"{pixels.size}".encode() + pixels.tobytes()).hexdigest()
    return DatasetImage(dataset, index, classes[number] if classes else str(number), digest)


def _place(dataset: ImageDataset, index: int) -> str:
    return f"item {index} of {type(dataset).__name__}"
