"""The items of a source: images that know their label and how to be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:  # whoever lists files need not wait for OpenCV
    import numpy as np
    from PIL import Image


class ImageItem(Protocol):
    """One image of a source, not yet read."""

    @property
    def label(self) -> str:
        """The name of its class."""
        ...

    @property
    def identity(self) -> tuple[str | int, ...]:
        """What tells it from other images on every machine: the fingerprint of a source is made of these."""
        ...

    @property
    def version(self) -> tuple[str | int, ...] | None:
        """What changes whenever its pixels may have; None where nobody can tell, and no file may keep its pixels."""
        ...

    def read(self, size: int) -> np.ndarray:
        """Its pixels, size×size×3, uint8: the shorter side resized to `size`, the centre cropped.

        Raises:
            DataError: an image that cannot be read, named.
        """
        ...

    def open(self) -> Image.Image:
        """The whole image as a person sees it, in RGB.

        Raises:
            DataError: an image that cannot be read, named.
        """
        ...


class ImageFile(NamedTuple):
    """A file as it was when it was listed, in plain values: 60,000 `Path` objects take a second to handle.

    Attributes:
        folder: the directory that `name` is relative to.
        label: the name of its class.
        name: path of the file in `folder`.
        bytes: its length.
        mtime_ns: when it was last changed, in nanoseconds.
    """

    folder: str
    label: str
    name: str
    bytes: int
    mtime_ns: int

    @property
    def path(self) -> Path:
        return Path(os.fspath(self))

    def __fspath__(self) -> str:
        return os.path.join(self.folder, self.name)

    @property
    def identity(self) -> tuple[str | int, ...]:
        return self.label, self.name, self.bytes

    @property
    def version(self) -> tuple[str | int, ...]:
        return tuple(self)

    def read(self, size: int) -> np.ndarray:
        from data.reading import read_pixels

        return read_pixels(os.fspath(self), size)

    def open(self) -> Image.Image:
        from data.reading import open_rgb

        return open_rgb(os.fspath(self))


def label_of(item: object) -> str:
    """The label of an item of a source; of a plain path, the name of the folder that it lies in."""
    return str(item.label if hasattr(item, "label") else Path(str(item)).parent.name)
