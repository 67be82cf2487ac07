"""A source of images: every name and every path resolves to a folder of class folders."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from fastai.data.external import URLs, fastai_path
from PIL import Image

from . import sampling
from .digits import digits_folder
from .download import fetch
from .errors import DataError
from .folders import list_splits

LARGEST_OWN_SIDE = 64  # pixels; photographs are shrunk to it where no size is asked for
SMALLEST_SIDE = 8  # pixels; the net halves its input three times


@dataclass(frozen=True)
class Source:
    """Image files with their split.

    Attributes:
        name: digits, cifar10, cifar100, or the folder's path.
        train, valid: paths in a fixed order; the parent folder names the class.
        classes: names, sorted; the position is the target.
        size: the images' own side in pixels.
        mirror: the mirroring that suits them: alternate, random or none.
        crop: the border to crop from that suits them, as a fraction of the side.
        fingerprint: of the classes, names and sizes of the files, the same on every machine.
        stamp: of the full names, sizes and times, which changes whenever a file does.
    """

    name: str
    train: list[Path] = field(repr=False)
    valid: list[Path] = field(repr=False)
    classes: list[str]
    size: int
    mirror: str
    crop: float
    fingerprint: str
    stamp: str


def open_source(
    data: "str | Path | Source", seed: int = 0, limit: int | None = None, holdout: int | None = None
) -> Source:
    """Find the files of a data set, fetching it where it has a name and is not there yet.

    Args:
        data: digits, cifar10, cifar100, or a folder; an opened source is returned as it is.
        seed: decides what is held out and what is left out.
        limit: at most this many training and this many validation images, class-balanced.
        holdout: validate on this many class-balanced training images; the test images are not touched.

    Raises:
        DataError: data that cannot be found, fetched or used.
    """
    if isinstance(data, Source):
        return data
    root = _locate(data)
    train, valid = list_splits(root)
    classes = sorted({f.label for f in train})
    if holdout:
        train, valid = sampling.hold_out(train, holdout, seed)
    elif valid is None:
        train, valid = sampling.split_fifth(train, seed)
    train, valid = sampling.at_most(train, limit, seed), sampling.at_most(valid, limit, seed)
    return Source(
        name=str(data),
        train=[f.path for f in train],
        valid=[f.path for f in valid],
        classes=classes,
        size=_own_side(train[0].path),
        mirror="none" if data == "digits" else "alternate",
        crop=1 / 16 if data == "digits" else 1 / 8,  # digits fill their frame: two pixels of 16 cut strokes off
        fingerprint=_digest(f[1:4] for f in [*train, (), *valid]),
        stamp=_digest([*train, (), *valid]),
    )


def _locate(data: str | Path) -> Path:
    home = fastai_path("data")
    if data == "digits":
        return digits_folder(home)
    if data in ("cifar10", "cifar100"):
        return fetch(URLs.CIFAR if data == "cifar10" else URLs.CIFAR_100)
    return Path(data).expanduser().absolute()


def _own_side(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return min(max(min(image.size), SMALLEST_SIDE), LARGEST_OWN_SIDE)
    except OSError as error:
        raise DataError(f"{path}: cannot be read as an image; replace or remove it") from error


def _digest(facts) -> str:
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()
