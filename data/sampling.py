"""Choose images by a seed, with every class represented as evenly as its size allows."""

import logging
from collections.abc import Iterable

import numpy as np

from data.common.errors import DataError
from data.items import ImageItem
from data.keys import Keys
from data.sources.notes import some

HELD_OUT = 0.2  # of each class, where a folder comes without a validation split

log = logging.getLogger(__name__)

Split = tuple[list[ImageItem], list[ImageItem]]


def split_fifth(images: list[ImageItem], seed: int) -> Split:
    """Training and validation: a fifth of each class at random, at least one image, never all of them."""
    held, single = [], []
    for members in _shuffled_classes(images, seed):
        held += members[: min(max(1, round(HELD_OUT * len(members))), len(members) - 1)]
        single += members if len(members) == 1 else []
    if single and held:
        names = some(images[i].label for i in single)
        log.warning("classes with one image, which is trained on and not validated: %s", names)
    return _divide(images, held)


def hold_out(images: list[ImageItem], count: int, seed: int) -> Split:
    """Training and validation: `count` class-balanced training images are validated on, never all of a class.

    Raises:
        DataError: a class would have no image left to train on.
    """
    most = len(images) - len({image.label for image in images})
    if count > most:
        raise DataError(
            f"`holdout` {count}: there are {len(images)} training images, and each class keeps one; hold out {most} or "
            "fewer"
        )
    return _divide(images, _pick_evenly(images, count, seed, keep=1))


def at_most(images: list[ImageItem], count: int | None, seed: int) -> list[ImageItem]:
    """`count` class-balanced images in their old order; all of them where there are no more."""
    if count is None or count >= len(images):
        return images
    return _divide(images, _pick_evenly(images, count, seed))[1]


def _shuffled_classes(images: list[ImageItem], seed: int) -> list[list[int]]:
    """Positions in `images`, a list a class, each in a random order."""
    classes: dict[str, list[int]] = {}
    for i, image in enumerate(images):
        classes.setdefault(image.label, []).append(i)
    return [[members[i] for i in Keys.of(seed, 0, np.array(members)).order()] for members in classes.values()]


def _pick_evenly(images: list[ImageItem], count: int, seed: int, keep: int = 0) -> list[int]:
    """The first of every class, then the second of every class, and so on, `count` in all; not the last `keep` of each.

    The classes take turns in the order of their first images.
    """
    classes = _shuffled_classes(images, seed)
    ranked = [(rank, i) for members in classes for rank, i in enumerate(members[: len(members) - keep])]
    return [i for _, i in sorted(ranked, key=lambda pair: pair[0])[:count]]


def _divide(images: list[ImageItem], chosen: Iterable[int]) -> Split:
    held = set(chosen)
    return [x for i, x in enumerate(images) if i not in held], [x for i, x in enumerate(images) if i in held]
