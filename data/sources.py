"""A source of images: every name and every path resolves to a folder of class folders."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from PIL import Image

from data import sampling
from data.common.errors import DataError
from data.digits import digits_folder
from data.download import fetch
from data.folders import ImageFile, list_splits
from data.home import home_path
from data.listing import kept_splits

ARCHIVES = {  # fastai's `URLs.CIFAR` and `URLs.CIFAR_100`
    "cifar10": "https://s3.amazonaws.com/fast-ai-sample/cifar10.tgz",
    "cifar100": "https://s3.amazonaws.com/fast-ai-imageclas/cifar100.tgz",
}
NAMED = ("digits", *ARCHIVES)  # folders that this program writes, and nobody edits
LARGEST_OWN_SIDE = 64  # pixels; photographs are shrunk to it where no size is asked for
SMALLEST_SIDE = 8  # pixels; the net halves its input three times


@dataclass(frozen=True)
class Source:
    """Image files with their split.

    Attributes:
        name: digits, cifar10, cifar100, or the folder's path.
        train_files, valid_files: in a fixed order; the label is the class.
        classes: names, sorted; the position is the target.
        size: the images' own side in pixels.
        mirror: the mirroring that suits them: alternate, random or none.
        crop: the border to crop from that suits them, as a fraction of the side.
        fingerprint: of the classes, names and sizes of the files, the same on every machine.
        stamp: of the full names, sizes and times, which changes whenever a file does.
    """

    name: str
    train_files: list[ImageFile] = field(repr=False)
    valid_files: list[ImageFile] = field(repr=False)
    classes: list[str]
    size: int
    mirror: str
    crop: float
    fingerprint: str
    stamp: str

    @cached_property
    def train(self) -> list[Path]:
        """Paths of the training images; the parent folder names the class."""
        return [file.path for file in self.train_files]

    @cached_property
    def valid(self) -> list[Path]:
        """Paths of the validation images."""
        return [file.path for file in self.valid_files]


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
    train, valid = kept_splits(root) if data in NAMED else list_splits(root)
    classes = sorted({f.label for f in train})
    if holdout:
        train, valid = sampling.hold_out(train, holdout, seed)
    elif valid is None:
        train, valid = sampling.split_fifth(train, seed)
    train, valid = sampling.at_most(train, limit, seed), sampling.at_most(valid, limit, seed)
    return Source(
        name=str(data),
        train_files=train,
        valid_files=valid,
        classes=classes,
        size=_own_side(train[0].path),
        mirror="none" if data == "digits" else "alternate",
        crop=1 / 16 if data == "digits" else 1 / 8,  # digits fill their frame: two pixels of 16 cut strokes off
        fingerprint=_digest(f[1:4] for f in [*train, (), *valid]),
        stamp=_digest([*train, (), *valid]),
    )


def _locate(data: str | Path) -> Path:
    home = home_path("data")
    if data == "digits":
        return digits_folder(home)
    if data in ARCHIVES:
        return fetch(ARCHIVES[data])
    return Path(data).expanduser().absolute()


def _own_side(path: Path) -> int:
    try:
        with Image.open(path) as image:
            return min(max(min(image.size), SMALLEST_SIDE), LARGEST_OWN_SIDE)
    except OSError as error:
        raise DataError(f"{path}: cannot be read as an image; replace or remove it") from error


def _digest(facts) -> str:
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()
