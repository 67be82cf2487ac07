"""Choose random images by a seed, with the classes as balanced as their sizes allow."""

import logging
from collections.abc import Iterable

import numpy as np

from data.augmentation.counter_rng import Keys
from data.common.errors import DataError
from data.items import ImageItem
from data.sources.notes import join_names

VALIDATION_FRACTION = 0.2  # fraction of each class to validate on, if the data have no validation split

log = logging.getLogger(__name__)

Split = tuple[list[ImageItem], list[ImageItem]]


def split_fifth(images: list[ImageItem], seed: int) -> Split:
    """Split the images into training and validation images.

    A random fifth of each class is held out for validation: at least one image, unless the class has only one.

    Returns:
        The training images and the validation images.
    """
    held, single = [], []
    for members in _shuffled_classes(images, seed):
        held += members[: min(max(1, round(VALIDATION_FRACTION * len(members))), len(members) - 1)]
        single += members if len(members) == 1 else []
    if single and held:
        names = join_names(images[i].label for i in single)
        log.warning("classes with one image, which is used for training and not for validation: %s", names)
    return _divide(images, held)


def hold_out(images: list[ImageItem], count: int, seed: int) -> Split:
    """Split the images into training and validation images, with `count` class-balanced validation images.

    Returns:
        The training images and the validation images.

    Raises:
        DataError: a class would have no image left to train on.
    """
    most = len(images) - len({image.label for image in images})
    if count > most:
        raise DataError(
            f"`holdout` {count}: there are {len(images)} training images, and one of each class must remain; "
            f"hold out at most {most}"
        )
    return _divide(images, _pick_evenly(images, count, seed, keep=1))


def at_most(images: list[ImageItem], count: int | None, seed: int) -> list[ImageItem]:
    """Returns `count` class-balanced images in their original order, or all images if there are fewer."""
    if count is None or count >= len(images):
        return images
    return _divide(images, _pick_evenly(images, count, seed))[1]


def _shuffled_classes(images: list[ImageItem], seed: int) -> list[list[int]]:
    """Returns one list per class of positions in `images`, each in random order."""
    classes: dict[str, list[int]] = {}
    for i, image in enumerate(images):
        classes.setdefault(image.label, []).append(i)
    return [[members[i] for i in Keys.of(seed, 0, np.array(members)).order()] for members in classes.values()]


def _pick_evenly(images: list[ImageItem], count: int, seed: int, keep: int = 0) -> list[int]:
    """Returns the positions of `count` images: the first of every class, then the second of every class, and so on.

    The last `keep` images of each class are not chosen. Within a rank, the classes are in the order of their first
    images.
    """
    classes = _shuffled_classes(images, seed)
    ranked = [(rank, i) for members in classes for rank, i in enumerate(members[: len(members) - keep])]
    return [i for _, i in sorted(ranked, key=lambda pair: pair[0])[:count]]


def _divide(images: list[ImageItem], chosen: Iterable[int]) -> Split:
    """Returns the images that are not at the chosen positions, and those that are."""
    held = set(chosen)
    return [x for i, x in enumerate(images) if i not in held], [x for i, x in enumerate(images) if i in held]
