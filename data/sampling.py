"""Choose images by a seed, with every class represented as evenly as its size allows."""

from collections.abc import Iterable

import numpy as np

from data.common.errors import DataError
from data.items import ImageItem
from data.keys import Keys

HELD_OUT = 0.2  # of each class, where a folder comes without a validation split

Split = tuple[list[ImageItem], list[ImageItem]]


def split_fifth(images: list[ImageItem], seed: int) -> Split:
    """Training and validation: a fifth of each class at random, at least one image, never all of them."""
    held = []
    for members in _shuffled_classes(images, seed):
        held += members[: min(max(1, round(HELD_OUT * len(members))), len(members) - 1)]
    return _divide(images, held)


def hold_out(images: list[ImageItem], count: int, seed: int) -> Split:
    """Training and validation: `count` class-balanced training images are validated on.

    Raises:
        DataError: nothing would be left to train on.
    """
    if count >= len(images):
        raise DataError(f"`holdout` {count}: there are {len(images)} training images; hold out fewer")
    return _divide(images, _pick_evenly(images, count, seed))


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


def _pick_evenly(images: list[ImageItem], count: int, seed: int) -> list[int]:
    """The first of every class, then the second of every class, and so on, `count` in all."""
    ranked = [(rank, i) for members in _shuffled_classes(images, seed) for rank, i in enumerate(members)]
    return [i for _, i in sorted(ranked, key=lambda pair: pair[0])[:count]]


def _divide(images: list[ImageItem], chosen: Iterable[int]) -> Split:
    held = set(chosen)
    return [x for i, x in enumerate(images) if i not in held], [x for i, x in enumerate(images) if i in held]
