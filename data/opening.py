"""Open a source: find its images, split them into training and validation, and describe them."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data import sampling
from data.common.errors import DataError
from data.decoding.readable import cached_read_errors
from data.items import ImageItem
from data.settings import Mirror
from data.sources.dataset import ImageDataset, dataset_splits
from data.sources.notes import join_names
from data.sources.registry import DEFAULT_SUITS, NO_TRAINING_IMAGES, Splits, Suits, find
from data.sources.splits import natural

log = logging.getLogger(__name__)

MAX_DEFAULT_SIDE = 64  # pixels; largest default size, to which photographs are resized
MIN_SIDE = 8  # pixels; smallest default size, because the model halves its input three times


@dataclass(frozen=True)
class Source:
    """The training and validation images of an opened source, with their labels.

    Attributes:
        name: the name or path that was opened, or the type of a dataset.
        train: training images in a fixed order.
        valid: validation images in a fixed order.
        classes: names of the classes; the position of a name is the target.
        size: default side of the square images, in pixels: that of the first image, limited to 8 to 64.
        mirror: default mirroring for these images; see `DataSettings`.
        crop: default border for the random crop, as a fraction of the side.
        fingerprint: digest of the labels and identities of the images, the same on every machine.
        stamp: digest of the locations and change times of the images; None if unknown, and then no file caches their
            pixels.
        skipped: error message of each image that was left out because it cannot be read, with its name.
    """

    name: str
    train: list[ImageItem]
    valid: list[ImageItem]
    classes: list[str]
    size: int
    mirror: Mirror
    crop: float
    fingerprint: str
    stamp: str | None
    skipped: tuple[str, ...] = ()

    def __str__(self) -> str:
        images = f"{len(self.train):,} training and {len(self.valid):,} validation images"
        return f"{self.name}: {images} of {len(self.classes)} classes"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def without_images(self) -> "Source":
        """Returns the source without its images, for the export of a model."""
        return replace(self, train=[], valid=[], skipped=())


Data = str | Path | Source | ImageDataset | tuple[ImageDataset, ImageDataset]


def open_source(
    data: Data, seed: int = 0, limit: int | None = None, holdout: int | None = None, skip_bad: bool = False
) -> Source:
    """Open a source; a named source is downloaded on first use.

    Args:
        data: the name of a source (see `source_names`), a folder, a table of labels, a dataset or a pair of datasets;
            an opened source is returned unchanged.
        seed: determines which images are held out and which are left out by `limit`.
        limit: maximum number of training images and of validation images, class-balanced.
        holdout: number of class-balanced training images to validate on; the test images are then not used.
        skip_bad: read every image once and leave out those that cannot be read. The split of the others is unchanged.

    Raises:
        DataError: the data cannot be found, downloaded or used.
    """
    if isinstance(data, Source):
        return data
    name, splits, suits = _find(data)
    classes = _classes(name, splits)
    train, valid = list(splits.train), splits.valid
    if holdout:
        train, valid = sampling.hold_out(train, holdout, seed)
    elif valid is None:
        train, valid = sampling.split_fifth(train, seed)
    train, valid = sampling.at_most(train, limit, seed), sampling.at_most(list(valid), limit, seed)
    skipped: dict[int, str] = cached_read_errors([*train, *valid], name, _stamp(train, valid)) if skip_bad else {}
    if skipped:
        train, valid = _without(name, train, valid, skipped)
    if not valid:
        raise DataError(
            f"{name}: no images to validate on; give each class at least two images, or give a validation split"
        )
    return _described(name, train, valid, classes, suits, tuple(skipped.values()))


def validation_source(data: Data, classes: Sequence[str]) -> Source:
    """Open the images to validate a trained model on: the validation split, or all images if there is none.

    Args:
        data: see `open_source`.
        classes: names of the classes of the model.

    Returns:
        A source without training images.

    Raises:
        DataError: the data cannot be found, downloaded or used, or have a class that the model does not have.
    """
    if isinstance(data, Source):
        name, images, suits = data.name, data.valid, Suits(data.mirror, data.crop)
    else:
        name, splits, suits = _find(data)
        images = list(splits.valid or splits.train)
    if not images:
        raise DataError(f"{name}: no images to validate on; give images of the classes of the model")
    unknown = sorted({image.label for image in images} - set(classes))
    if unknown:
        raise DataError(f"{name}: the model has no class {', '.join(unknown)}; its classes are {', '.join(classes)}")
    return _described(name, [], images, list(classes), suits)


def _find(data: str | Path | ImageDataset | tuple[ImageDataset, ImageDataset]) -> tuple[str, Splits, Suits]:
    """Returns the name of a source, its images, and the augmentation that suits them."""
    if isinstance(data, str | Path):
        kind = find(str(data))
        return str(data), kind.splits(str(data)), kind.suits
    first = data[0] if isinstance(data, tuple) else data
    return type(first).__name__, dataset_splits(data), DEFAULT_SUITS


def _without(
    name: str, train: list[ImageItem], valid: list[ImageItem], bad: Mapping[int, str]
) -> tuple[list[ImageItem], list[ImageItem]]:
    """Returns both splits without the unreadable images.

    Args:
        name: name of the source.
        train: training images.
        valid: validation images.
        bad: error messages by the position of the image in `train` followed by `valid`.

    Raises:
        DataError: a class has no training image left.
    """
    good = [
        [image for i, image in enumerate(part, at) if i not in bad] for at, part in ((0, train), (len(train), valid))
    ]
    lost = sorted({image.label for image in train} - {image.label for image in good[0]})
    if lost:
        raise DataError(f"{name}: no training image of {join_names(lost)} can be read ({bad[min(bad)]})")
    log.warning("%s: %d image(s) cannot be read and are left out; the first: %s", name, len(bad), bad[min(bad)])
    return good[0], good[1]


def _classes(name: str, splits: Splits) -> list[str]:
    """Returns the names of the classes.

    Raises:
        DataError: there are no training images, there is only one class, or a validation class has no training image.
    """
    trained = {image.label for image in splits.train}
    unknown = sorted({image.label for image in splits.valid or ()} - trained)
    if not trained:
        raise DataError(f"{name}: {NO_TRAINING_IMAGES}")
    if len(trained) == 1:
        raise DataError(f"{name}: only one class ({trained.pop()}); give training images of at least two classes")
    if unknown:
        raise DataError(
            f"{name}: validation images have the class {', '.join(unknown)}, which no training image has; "
            "classes are matched by name, so rename or remove the classes that differ"
        )
    return list(splits.classes) or sorted(trained, key=natural)


def _described(
    name: str,
    train: list[ImageItem],
    valid: list[ImageItem],
    classes: list[str],
    suits: Suits,
    skipped: tuple[str, ...] = (),
) -> Source:
    return Source(
        name=name,
        train=train,
        valid=valid,
        classes=classes,
        size=_own_side((train or valid)[0]),
        mirror=suits.mirror,
        crop=suits.crop,
        fingerprint=_digest([*(image.identity for image in train), (), *(image.identity for image in valid)]),
        stamp=_stamp(train, valid),
        skipped=skipped,
    )


def _stamp(train: list[ImageItem], valid: list[ImageItem]) -> str | None:
    versions = [image.version for image in (*train, *valid)]
    return None if None in versions else _digest([len(train), *versions])


def _own_side(image: ImageItem) -> int:
    """Returns the shorter side of an image, limited to the range of default sizes."""
    return min(max(min(image.open().size), MIN_SIDE), MAX_DEFAULT_SIDE)


def _digest(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
