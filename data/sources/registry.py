"""The sources that `data` may name, and how each is registered.

A source is a function from the value of `data` to `Splits`, in a module of this package:

    @source("fashion", suits=Suits(mirror="alternate", crop=1 / 8))
    def fashion(data: str) -> Splits: ...

The modules are found by walking the package. Imports of torch, fastai and other large packages belong inside the
function: `app.py --help` asks for the names alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from data import sources as package
from data.common.discovery import import_modules
from data.common.errors import DataError
from data.items import ImageItem
from data.settings import Mirror


class Suits(NamedTuple):
    """The augmentation that suits the images of a source, used where the recipe leaves it open.

    Attributes:
        mirror: see `DataSettings`.
        crop: border to crop from, as a fraction of the side.
    """

    mirror: Mirror = "alternate"
    crop: float = 1 / 8


class Splits(NamedTuple):
    """The images of a source, in a fixed order.

    Attributes:
        train: training images.
        valid: validation images; None holds out a fifth of each class.
        classes: names, whose positions are the targets; none stands for the sorted labels of `train`.
    """

    train: Sequence[ImageItem]
    valid: Sequence[ImageItem] | None
    classes: Sequence[str] = ()


class Kind(NamedTuple):
    """A registered source."""

    splits: Callable[[str], Splits]
    suits: Suits


NO_TRAINING_IMAGES = (
    "no images to train on; give images of each class, at least two"  # what is said of `Splits` without any
)
DEFAULT_SUITS = Suits()
SOURCES: dict[str, Kind] = {}  # by name, or by the suffix of a file: ".csv"


def source(*names: str, suits: Suits = DEFAULT_SUITS) -> Callable[[Callable[[str], Splits]], Callable[[str], Splits]]:
    """Register the decorated function as the source of these names.

    Args:
        names: values of `data`, or suffixes of files with their dot.
        suits: the augmentation that suits the images.

    Raises:
        ValueError: a name that another source has.
    """

    def register(splits: Callable[[str], Splits]) -> Callable[[str], Splits]:
        for name in names:
            if name in SOURCES:
                raise ValueError(f"two sources are named {name}")
            SOURCES[name] = Kind(splits, suits)
        return splits

    return register


def find(data: str) -> Kind:
    """The source of that name, or of files with that suffix, or else of folders."""
    from data.sources.folder import folder

    known, path = _registered(), path_of(data)
    by_suffix = known.get(path.suffix.lower()) if path.is_file() else None
    return known.get(data) or by_suffix or Kind(folder, DEFAULT_SUITS)


def path_of(data: str) -> Path:
    """The absolute path that `data` stands for, whether or not there is something.

    Raises:
        DataError: no path at all, or one that cannot be looked at, as one that is too long.
    """
    if not data:
        raise DataError(f"`data` is empty; it may be {data_help()}")
    try:
        path = Path(data).expanduser().absolute()
        path.exists()
    except (OSError, RuntimeError) as error:  # RuntimeError: the home of nobody
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{data}: cannot be looked at ({reason}); `data` may be {data_help()}") from error
    return path


def source_names() -> list[str]:
    """The names that `data` may have: cifar10, cifar100, digits."""
    return [name for name in _registered() if not name.startswith(".")]


def data_help() -> str:
    """What `data` may be, for help texts and messages."""
    suffixes = ", ".join(name for name in _registered() if name.startswith("."))
    return f"{', '.join(source_names())}, a folder of images, or a table of labels ({suffixes})"


@cache
def _import_all(folders: tuple[str, ...]) -> None:
    import_modules(package.__name__, folders)


def _registered() -> dict[str, Kind]:
    _import_all(tuple(package.__path__))
    return SOURCES
