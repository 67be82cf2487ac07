"""The registry of sources: the values that `data` may have.

To add a source, write a function from the value of `data` to `Splits` in a new module of this package:

    @source("fashion", suits=Suits(mirror="alternate", crop=1 / 8))
    def fashion(data: str) -> Splits: ...

All modules of the package are imported automatically. Import torch, fastai and other large packages inside the
function, because `app.py --help` imports the module only to list the names.
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
    """The augmentation that suits the images of a source, used for fields that the recipe leaves open.

    Attributes:
        mirror: see `DataSettings`.
        crop: see `DataSettings`.
    """

    mirror: Mirror = "alternate"
    crop: float = 1 / 8


class Splits(NamedTuple):
    """The images of a source, in a fixed order.

    Attributes:
        train: training images.
        valid: validation images; None holds out a fifth of the training images of each class.
        classes: names of the classes in the order of the targets; if empty, the sorted labels of `train`.
    """

    train: Sequence[ImageItem]
    valid: Sequence[ImageItem] | None
    classes: Sequence[str] = ()


class Kind(NamedTuple):
    """A registered source.

    Attributes:
        splits: the function that lists its images.
        suits: the augmentation that suits them.
    """

    splits: Callable[[str], Splits]
    suits: Suits


NO_TRAINING_IMAGES = "no images to train on; give images of at least two classes"
DEFAULT_SUITS = Suits()
SOURCES: dict[str, Kind] = {}  # registered sources by name, or by the suffix of a file such as ".csv"


def source(*names: str, suits: Suits = DEFAULT_SUITS) -> Callable[[Callable[[str], Splits]], Callable[[str], Splits]]:
    """Register the decorated function as the source of these names.

    Args:
        names: values of `data`, or file suffixes with their dot.
        suits: the augmentation that suits the images.

    Raises:
        ValueError: another source has one of the names.
    """

    def register(splits: Callable[[str], Splits]) -> Callable[[str], Splits]:
        for name in names:
            if name in SOURCES:
                raise ValueError(f"two sources have the name {name}; rename one")
            SOURCES[name] = Kind(splits, suits)
        return splits

    return register


def find(data: str) -> Kind:
    """Returns the source with that name or file suffix, or else the source of folders."""
    from data.sources.folder import folder

    known, path = _registered(), path_of(data)
    by_suffix = known.get(path.suffix.lower()) if path.is_file() else None
    return known.get(data) or by_suffix or Kind(folder, DEFAULT_SUITS)


def path_of(data: str) -> Path:
    """Returns `data` as an absolute path, which need not exist.

    Raises:
        DataError: `data` is empty, or the system rejects the path, for example because it is too long.
    """
    if not data:
        raise DataError(f"`data` is empty; it may be {data_help()}")
    try:
        path = Path(data).expanduser().absolute()
        path.exists()
    except (OSError, RuntimeError) as error:  # RuntimeError: the home folder of an unknown user
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{data}: not a valid path ({reason}); `data` may be {data_help()}") from error
    return path


def source_names() -> list[str]:
    """Returns the names of the sources: cifar10, cifar100, digits."""
    return [name for name in _registered() if not name.startswith(".")]


def data_help() -> str:
    """Returns the possible values of `data`, for help texts and messages."""
    suffixes = ", ".join(name for name in _registered() if name.startswith("."))
    return f"{', '.join(source_names())}, a folder of images, or a table of labels ({suffixes})"


@cache
def _import_all(folders: tuple[str, ...]) -> None:
    import_modules(package.__name__, folders)


def _registered() -> dict[str, Kind]:
    _import_all(tuple(package.__path__))
    return SOURCES
