"""Survey a data set: read each of its images once and collect the facts that findings are computed from."""

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
    """Facts about a data set of N images.

    Attributes:
        data: name of the source, path of the folder or path of the table.
        root: folder of the images; empty if they are not files.
        names: N paths; for an item that is not a file, its identity as text.
        labels: N names of classes.
        splits: N values, train or valid.
        split_given: whether the data have a validation split; otherwise `fit` holds out random images.
        facts: facts about the N files.
        features: features of the N images, for those that could be read.
        unused: other files and folders below `root`.
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
        """The number of images by split, then by class."""
        counts: dict[str, Counter[str]] = {}
        for split, label in zip(self.splits, self.labels, strict=True):
            counts.setdefault(split, Counter())[label] += 1
        return counts

    @cached_property
    def same(self) -> list[list[int]]:
        """Groups of images with identical pixels, as lists of indices, in the order of their first images."""
        groups: dict[bytes, list[int]] = {}
        for index in np.flatnonzero(self.features.seen).tolist():
            groups.setdefault(self.features.digests[index].tobytes(), []).append(index)
        return [group for group in groups.values() if len(group) > 1]

    @cached_property
    def near(self) -> list[tuple[int, int, float]]:
        """Near duplicates in two splits or two classes, the most similar first: two indices and a similarity.

        If the data have no validation split, near duplicates within one class are included, because a random split may
        separate them.
        """
        keys = {key: number for number, key in enumerate(dict.fromkeys(zip(self.splits, self.labels, strict=True)))}
        groups = np.array([keys[key] for key in zip(self.splits, self.labels, strict=True)])
        pairs, similarities = near_pairs(self.features, groups if self.split_given else np.arange(len(groups)))
        order = np.argsort(-similarities, kind="stable")
        return [(int(pairs[i, 0]), int(pairs[i, 1]), float(similarities[i])) for i in order]


def survey(data: str) -> Survey:
    """Read every image of a data set once. No file is written.

    Args:
        data: name of a source, path of a folder or path of a table.

    Raises:
        DataError: `data` is not a source, or it has no training images.
    """
    splits, folder = find(data).splits(data), path_of(data)
    if not splits.train:
        raise DataError(f"{data}: {NO_TRAINING_IMAGES}")
    items = [*splits.train, *(splits.valid or ())]
    names = [_name(item) for item in items]
    facts, features = examine_all(items)
    return Survey(
        data=data,
        root=str(folder) if folder.is_dir() else _common_folder(items),
        names=names,
        labels=[item.label for item in items],
        splits=["train"] * len(splits.train) + ["valid"] * len(splits.valid or ()),
        split_given=splits.valid is not None,
        facts=facts,
        features=features,
        unused=find_unused(folder, set(names)) if folder.is_dir() else Unused(),
    )


def _name(item: ImageItem) -> str:
    """Returns the path of an item, or its identity as text if it is not a file."""
    return os.fspath(item) if isinstance(item, os.PathLike) else " ".join(map(str, item.identity))


def _common_folder(items: list[ImageItem]) -> str:
    """Returns the deepest folder that contains all items; an empty text if they are not files."""
    folders = {os.path.dirname(item) for item in items if isinstance(item, os.PathLike)}
    return os.path.commonpath(folders) if folders else ""
