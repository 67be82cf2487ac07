"""The items of a source: an image file or another image, with its label and methods to read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:  # listing files needs neither NumPy nor Pillow
    import numpy as np
    from PIL import Image


class ImageItem(Protocol):
    """One image of a source, which is read on request."""

    @property
    def label(self) -> str:
        """The name of its class."""
        ...

    @property
    def identity(self) -> tuple[str | int, ...]:
        """Values that identify the image, the same on every machine; the fingerprint of a source is their digest."""
        ...

    @property
    def version(self) -> tuple[str | int, ...] | None:
        """Values that differ whenever the pixels may have changed; None if unknown, and then no file caches them."""
        ...

    def read(self, size: int) -> np.ndarray:
        """Returns the pixels, size×size×3, uint8: the shorter side resized to `size`, the centre cropped.

        Raises:
            DataError: the image cannot be read; the message names it.
        """
        ...

    def open(self) -> Image.Image:
        """Returns the whole image in RGB, upright.

        Raises:
            DataError: the image cannot be read; the message names it.
        """
        ...


class ImageFile(NamedTuple):
    """An image file as it was when it was listed. It holds strings, because 60,000 `Path` objects take a second.

    Attributes:
        folder: the folder that `name` is relative to.
        label: the name of its class.
        name: path of the file, relative to `folder`.
        bytes: size of the file.
        mtime_ns: time of its last change, in nanoseconds.
    """

    folder: str
    label: str
    name: str
    bytes: int
    mtime_ns: int

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(os.fspath(self))

    def __fspath__(self) -> str:
        return os.path.join(self.folder, self.name)

    @property
    def identity(self) -> tuple[str | int, ...]:
        """Label, name and size."""
        return self.label, self.name, self.bytes

    @property
    def version(self) -> tuple[str | int, ...]:
        """All fields, including the time of the last change."""
        return tuple(self)

    def read(self, size: int) -> np.ndarray:
        """See `ImageItem.read`."""
        from data.decoding.reading import read_pixels

        return read_pixels(os.fspath(self), size)

    def open(self) -> Image.Image:
        """See `ImageItem.open`."""
        from data.decoding.reading import open_rgb

        return open_rgb(os.fspath(self))


def label_of(item: object) -> str:
    """Returns the label of an item of a source, or the name of the parent folder of a path."""
    return str(item.label if hasattr(item, "label") else Path(str(item)).parent.name)
