"""All that is known of a data set after each of its images was read once."""

import os
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from data.check.examine import FeatureArrays, examine_all
from data.check.facts import Facts
from data.check.near_duplicates import near_pairs
from data.check.unused import Unused, find_unused
from data.common.errors import DataError
from data.items import ImageItem
from data.sources.registry import NO_TRAINING_IMAGES, find, path_of


@dataclass(frozen=True)
class Survey:
    """A data set of N images.

    Attributes:
        data: what was asked for: the name of a source, a folder, a table.
        root: the folder that the images lie in; empty where they are no files.
        names: N paths; of an item that is no file, what tells it from others.
        labels: N names of classes.
        splits: N times train or valid.
        split_given: whether the data say which images to validate on; `fit` draws them otherwise.
        facts: N.
        features: of the images that could be read.
        unused: what else lies in the folder.
    """

    data: str
    root: str
    names: list[str]
    labels: list[str]
    splits: list[str]
    split_given: bool
    facts: list[Facts]
    features: FeatureArrays
    unused: Unused

    @cached_property
    def counts(self) -> dict[str, Counter[str]]:
        """By split, then by class: how many images there are."""
        counts: dict[str, Counter[str]] = {}
        for split, label in zip(self.splits, self.labels, strict=True):
            counts.setdefault(split, Counter())[label] += 1
        return counts

    @cached_property
    def same(self) -> list[list[int]]:
        """The groups of images whose pixels are the same, by their places, in the order of the first of each."""
        groups: dict[bytes, list[int]] = {}
        for place in np.flatnonzero(self.features.seen).tolist():
            groups.setdefault(self.features.digests[place].tobytes(), []).append(place)
        return [group for group in groups.values() if len(group) > 1]

    @cached_property
    def near(self) -> list[tuple[int, int, float]]:
        """Near duplicates in two splits or in two classes, the most alike first: two places and a similarity.

        Where no split is given, those in one class are here as well: they may be drawn to different sides.
        """
        keys = {key: number for number, key in enumerate(dict.fromkeys(zip(self.splits, self.labels, strict=True)))}
        groups = np.array([keys[key] for key in zip(self.splits, self.labels, strict=True)])
        pairs, similarities = near_pairs(self.features, groups if self.split_given else np.arange(len(groups)))
        order = np.argsort(-similarities, kind="stable")
        return [(int(pairs[place, 0]), int(pairs[place, 1]), float(similarities[place])) for place in order]


def survey(data: str) -> Survey:
    """Read every image of a data set once. Nothing is written.

    Raises:
        DataError: no data set has that name, or it has no training images.
    """
    splits, folder = find(data).splits(data), path_of(data)
    if not splits.train:
        raise DataError(f"{data}: {NO_TRAINING_IMAGES}")
    items = [*splits.train, *(splits.valid or ())]
    names = [_name(item) for item in items]
    facts, features = examine_all(items)
    return Survey(
        data=data,
        root=str(folder) if folder.is_dir() else _common(items),
        names=names,
        labels=[item.label for item in items],
        splits=["train"] * len(splits.train) + ["valid"] * len(splits.valid or ()),
        split_given=splits.valid is not None,
        facts=facts,
        features=features,
        unused=find_unused(folder, set(names)) if folder.is_dir() else Unused(),
    )


def _name(item: ImageItem) -> str:
    return os.fspath(item) if isinstance(item, os.PathLike) else " ".join(map(str, item.identity))


def _common(items: list[ImageItem]) -> str:
    folders = {os.path.dirname(item) for item in items if isinstance(item, os.PathLike)}
    return os.path.commonpath(folders) if folders else ""
