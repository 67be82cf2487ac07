"""Choose files by a seed, with every class represented as evenly as its size allows."""

import numpy as np

from data.common.errors import DataError
from data.folders import ImageFile
from data.keys import Keys

HELD_OUT = 0.2  # of each class, where a folder comes without a validation split

Split = tuple[list[ImageFile], list[ImageFile]]


def split_fifth(files: list[ImageFile], seed: int) -> Split:
    """Training and validation: a fifth of each class at random, at least one image, never all of them."""
    held = []
    for members in _shuffled_classes(files, seed):
        held += members[: min(max(1, round(HELD_OUT * len(members))), len(members) - 1)]
    return _divide(files, held)


def hold_out(files: list[ImageFile], count: int, seed: int) -> Split:
    """Training and validation: `count` class-balanced training images are validated on.

    Raises:
        DataError: nothing would be left to train on.
    """
    if count >= len(files):
        raise DataError(f"holdout {count}: there are {len(files)} training images; hold out fewer")
    return _divide(files, _pick_evenly(files, count, seed))


def at_most(files: list[ImageFile], count: int | None, seed: int) -> list[ImageFile]:
    """`count` class-balanced files in their old order; all of them where there are no more."""
    if count is None or count >= len(files):
        return files
    return _divide(files, _pick_evenly(files, count, seed))[1]


def _shuffled_classes(files: list[ImageFile], seed: int) -> list[list[int]]:
    """Positions in `files`, a list a class, each in a random order."""
    classes: dict[str, list[int]] = {}
    for i, file in enumerate(files):
        classes.setdefault(file.label, []).append(i)
    return [[members[i] for i in Keys.of(seed, 0, np.array(members)).order()] for members in classes.values()]


def _pick_evenly(files: list[ImageFile], count: int, seed: int) -> list[int]:
    """The first of every class, then the second of every class, and so on, `count` in all."""
    ranked = [(rank, i) for members in _shuffled_classes(files, seed) for rank, i in enumerate(members)]
    return [i for _, i in sorted(ranked, key=lambda pair: pair[0])[:count]]


def _divide(files: list[ImageFile], held: list[int]) -> Split:
    held = set(held)
    return [f for i, f in enumerate(files) if i not in held], [f for i, f in enumerate(files) if i in held]
