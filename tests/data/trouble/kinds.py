"""Folders with one kind of problem each, and the expected behaviour of `check` and `fit`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 16  # pixels; pictures of this side are not resized in training
SPLITS = ("train", "valid")


class Expected(NamedTuple):
    """A picture that must be in the training or validation batches.

    Attributes:
        split: train or valid; "any" if the split is random.
        label: name of its class.
        pixels: 16×16×3, uint8.
        tolerance: largest difference of a value, from 0 to 255.
    """

    split: str
    label: str
    pixels: np.ndarray
    tolerance: int = 0


class Pictures:
    """A folder of pictures.

    Attributes:
        root: the folder.
        data: argument of the commands: the folder itself, or a table.
        expected: all pictures that must be in the batches.
    """

    def __init__(self, root: Path, usual: bool = True) -> None:
        root.mkdir(parents=True)
        self.root = self.data = root
        self.expected: list[Expected] = []
        self._made = 0
        for folder, count in {"train/cat": 3, "train/dog": 3, "valid/cat": 1, "valid/dog": 1}.items():
            if usual:
                self.put(folder, count)

    def put(self, folder: str, count: int = 1, *, label: str | None = None, used: bool = True) -> None:
        """Add pictures to a folder, whose name consists of split and class."""
        for _ in range(count):
            path, self._made = f"{folder}/{self._made:04d}.png", self._made + 1
            pixels = np.random.default_rng(self._made).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            self.add(path, png_of(pixels), pixels if used else None, label=label)

    def add(
        self, path: str, content: bytes, pixels: np.ndarray | None = None, tolerance: int = 0, label: str | None = None
    ) -> None:
        """Add a file; `pixels` is the expected picture, None if it must not be used."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if pixels is not None:
            self.expect(path, pixels, tolerance, label)

    def expect(self, path: str, pixels: np.ndarray, tolerance: int = 0, label: str | None = None) -> None:
        """Record that the file at `path` must be read as these pixels, grey H×W or colour H×W×3."""
        first, *rest = path.split("/")
        split, named = (first, rest[0]) if first in SPLITS else ("any", first)
        colour = pixels if pixels.ndim == 3 else pixels[..., None].repeat(3, 2)
        self.expected.append(Expected(split, label or named, colour.astype(np.uint8), tolerance))


@dataclass(frozen=True)
class Kind:
    """One kind of problem.

    Attributes:
        name: description of the problem.
        make: function that adds the problem to a folder.
        usual: whether the folder also contains pictures without a problem.
        check: regular expression that the output of `check` must match.
        refused: regular expression that the error message of `fit` must match; None if `fit` trains.
        skipped: whether `fit --skip-bad` trains on all other pictures.
    """

    name: str
    make: Callable[[Pictures], None]
    usual: bool
    check: str
    refused: str | None
    skipped: bool


KINDS: list[Kind] = []


def kind(
    check: str, *, name: str = "", refused: str | None = None, usual: bool = True, skipped: bool = False
) -> Callable[[Callable[[Pictures], None]], Callable[[Pictures], None]]:
    """Register the decorated function as a kind of problem that is named after it; see `Kind`."""

    def register(make: Callable[[Pictures], None]) -> Callable[[Pictures], None]:
        KINDS.append(Kind(name or make.__name__.replace("_", " "), make, usual, check, refused, skipped))
        return make

    return register


def all_kinds() -> list[Kind]:
    """Returns the kinds of all modules `kinds_of_…` in this folder."""
    for path in sorted(Path(__file__).parent.glob("kinds_of_*.py")):
        import_module(f"tests.data.trouble.{path.stem}")
    return KINDS


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """Returns the bytes of an image file of this format."""
    memory = BytesIO()
    image.save(memory, form, **options)
    return memory.getvalue()


def png_of(pixels: np.ndarray) -> bytes:
    return encoded(Image.fromarray(pixels), "PNG")
