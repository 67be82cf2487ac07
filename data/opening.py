"""Open a source: find its images, split them, and say what they are."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data import sampling
from data.common.errors import DataError
from data.items import ImageItem
from data.readable import tried
from data.settings import Mirror
from data.sources.dataset import ImageDataset, dataset_splits
from data.sources.notes import some
from data.sources.registry import NOTHING, USUAL, Splits, Suits, find
from data.sources.splits import natural

log = logging.getLogger(__name__)

LARGEST_OWN_SIDE = 64  # pixels; photographs are shrunk to it where no size is asked for
SMALLEST_SIDE = 8  # pixels; the net halves its input three times


@dataclass(frozen=True)
class Source:
    """Images with their labels and their split.

    Attributes:
        name: what was opened: a name, a path, or the type of a dataset.
        train, valid: the images in a fixed order.
        classes: names; the position is the target.
        size: the images' own side in pixels, at most 64.
        mirror: the mirroring that suits them; see `DataSettings`.
        crop: the border to crop from that suits them, as a fraction of the side.
        fingerprint: of the labels and identities of the images, the same on every machine.
        stamp: of where the images are and when they were changed; None where nobody can tell, and their pixels are
            not kept on disk.
        skipped: what is wrong with each image that was left out because it cannot be read, with its name.
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
        """What is exported with a model."""
        return replace(self, train=[], valid=[], skipped=())


Data = str | Path | Source | ImageDataset | tuple[ImageDataset, ImageDataset]


def open_source(
    data: Data, seed: int = 0, limit: int | None = None, holdout: int | None = None, skip_bad: bool = False
) -> Source:
    """Find the images of a data set, fetching it where it has a name and is not there yet.

    Args:
        data: the name of a source (see `source_names`), a folder, a table of labels, a dataset or a pair of them; an
            opened source is returned as it is.
        seed: decides what is held out and what is left out.
        limit: at most this many training and this many validation images, class-balanced.
        holdout: validate on this many class-balanced training images; the test images are not touched.
        skip_bad: read every image once, and leave out those that cannot be read. The split of the others stays.

    Raises:
        DataError: data that cannot be found, fetched or used.
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
    skipped: dict[int, str] = tried([*train, *valid], name, _stamp(train, valid)) if skip_bad else {}
    if skipped:
        train, valid = _without(name, train, valid, skipped)
    if not valid:
        raise DataError(
            f"{name}: no images to validate on; give each class two images or more, or images of a validation split"
        )
    return _described(name, train, valid, classes, suits, tuple(skipped.values()))


def validation_source(data: Data, classes: Sequence[str]) -> Source:
    """The images to validate a trained model on: the validation split of `data`, or all of it where it has none.

    Args:
        data: see `open_source`.
        classes: the model's.

    Returns:
        A source without training images.

    Raises:
        DataError: data that cannot be found, fetched or used; a class that the model does not know.
    """
    if isinstance(data, Source):
        name, images, suits = data.name, data.valid, Suits(data.mirror, data.crop)
    else:
        name, splits, suits = _find(data)
        images = list(splits.valid or splits.train)
    if not images:
        raise DataError(f"{name}: no images to validate on; give images of the model's classes")
    unknown = sorted({image.label for image in images} - set(classes))
    if unknown:
        raise DataError(f"{name}: the model has no class {', '.join(unknown)}; it knows {', '.join(classes)}")
    return _described(name, [], images, list(classes), suits)


def _find(data: str | Path | ImageDataset | tuple[ImageDataset, ImageDataset]) -> tuple[str, Splits, Suits]:
    """The name of a source, its images, and what suits them."""
    if isinstance(data, str | Path):
        kind = find(str(data))
        return str(data), kind.splits(str(data)), kind.suits
    first = data[0] if isinstance(data, tuple) else data
    return type(first).__name__, dataset_splits(data), USUAL


def _without(
    name: str, train: list[ImageItem], valid: list[ImageItem], bad: Mapping[int, str]
) -> tuple[list[ImageItem], list[ImageItem]]:
    """Both splits without the images at the positions `bad`, which are counted through both.

    Raises:
        DataError: a class with no image left to train on.
    """
    good = [
        [image for i, image in enumerate(part, at) if i not in bad] for at, part in ((0, train), (len(train), valid))
    ]
    lost = sorted({image.label for image in train} - {image.label for image in good[0]})
    if lost:
        raise DataError(f"{name}: no training image of {some(lost)} can be read ({bad[min(bad)]})")
    log.warning("%s: %d image(s) that cannot be read are left out, the first: %s", name, len(bad), bad[min(bad)])
    return good[0], good[1]


def _classes(name: str, splits: Splits) -> list[str]:
    """The names of the classes, checked.

    Raises:
        DataError: no training images, one class only, or a validation class that training lacks.
    """
    trained = {image.label for image in splits.train}
    unknown = sorted({image.label for image in splits.valid or ()} - trained)
    if not trained:
        raise DataError(f"{name}: {NOTHING}")
    if len(trained) == 1:
        raise DataError(f"{name}: one class only ({trained.pop()}); give training images of at least two")
    if unknown:
        raise DataError(
            f"{name}: validation images have the class {', '.join(unknown)}, which no training image has; "
            "classes are matched by name, so rename or remove what does not match"
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
    return min(max(min(image.open().size), SMALLEST_SIDE), LARGEST_OWN_SIDE)


def _digest(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
