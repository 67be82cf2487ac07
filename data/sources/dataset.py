"""A dataset object in place of files: torchvision's, or any other whose items are (image, label)."""

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
    """A map-style dataset. An item begins with an image and the number of its class, counted from 0.

    The image is whatever `open_rgb` takes: a PIL image, an array, a tensor, a path. It must be the same each time:
    random transforms are for the loader's pipeline. `classes`, if there, names the classes.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class DatasetImage:
    """An image of a dataset, asked for each time that it is read.

    Attributes:
        dataset: what it is an item of.
        index: its number there.
        label: the name of its class.
        digest: of its pixels.
    """

    dataset: ImageDataset = field(repr=False)
    index: int
    label: str
    digest: str

    @property
    def identity(self) -> tuple[str | int, ...]:
        return self.label, self.digest

    @property
    def version(self) -> None:
        """A dataset does not tell when it changes."""

    def read(self, size: int) -> np.ndarray:
        import numpy as np

        from data.reading import fitted

        return np.asarray(fitted(self.open(), size))

    def open(self) -> Image.Image:
        from data.reading import open_rgb

        return open_rgb(self.dataset[self.index][0], name=_place(self.dataset, self.index))


def dataset_splits(data: ImageDataset | tuple[ImageDataset, ImageDataset]) -> Splits:
    """The images of a dataset, or of a pair of them for training and validation. Each is read once, for its digest.

    Raises:
        DataError: what is no such dataset, or an item that is no image with a label, named.
    """
    train, valid = data if isinstance(data, tuple) and len(data) == 2 else (data, None)
    classes = _classes(train)
    items = _items(train, classes)
    names = classes or [str(n) for n in sorted({int(item.label) for item in items})]
    return Splits(items, None if valid is None else _items(valid, classes), names)


def _classes(dataset: ImageDataset) -> list[str]:
    """Their names, none where the dataset has none; torchvision's ImageNet gives a tuple of synonyms for each."""
    named = getattr(dataset, "classes", None) or ()
    names = [name if isinstance(name, str) else ", ".join(map(str, name)) for name in named]
    if len(set(names)) < len(names):
        raise DataError(f"{type(dataset).__name__}: two of its `classes` have the same name; give each its own")
    return names


def _items(dataset: ImageDataset, classes: Sequence[str]) -> list[DatasetImage]:
    if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(f"{type(dataset).__name__}: neither a path nor a dataset with a length and numbered items")
    return [_item(dataset, i, classes) for i in range(len(dataset))]


def _item(dataset: ImageDataset, index: int, classes: Sequence[str]) -> DatasetImage:
    from data.reading import open_rgb

    where = _place(dataset, index)
    try:
        image, label = dataset[index][:2]
        number = int(label)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: not a pair of an image and the number of its class ({error})") from error
    if number < 0 or (classes and number >= len(classes)):
        raise DataError(f"{where}: class {number} of {len(classes) or 'those counted from 0'}; correct its label")
    pixels = open_rgb(image, name=where)
    digest = hashlib.sha256(f"{pixels.size}".encode() + pixels.tobytes()).hexdigest()
    return DatasetImage(dataset, index, classes[number] if classes else str(number), digest)


def _place(dataset: ImageDataset, index: int) -> str:
    return f"item {index} of {type(dataset).__name__}"
