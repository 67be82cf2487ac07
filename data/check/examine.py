"""Examine every image of a list once, with one process per processor."""

import warnings
from collections.abc import Sequence

import numpy as np

from data.check.facts import THUMBNAIL_SIDE, Facts, ImageFeatures, examine
from data.decoding.decode import CHUNK_IMAGES, map_chunks
from data.items import ImageItem


class FeatureArrays:
    """The features of N images in arrays, 287 bytes per image; see `ImageFeatures`.

    Args:
        count: number of images.

    Attributes:
        digests: N values of 16 bytes.
        phashes: N, uint64.
        thumbs: N×16×16, uint8.
        extremes: N×3×2, uint8.
        seen: N, bool, whether the image could be read.
    """

    def __init__(self, count: int) -> None:
        self.digests = np.zeros(count, "V16")
        self.phashes = np.zeros(count, np.uint64)
        self.thumbs = np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
        self.extremes = np.zeros((count, 3, 2), np.uint8)
        self.seen = np.zeros(count, bool)

    def __setitem__(self, index: int, features: ImageFeatures) -> None:
        self.digests[index] = np.void(features.digest)
        self.phashes[index] = features.phash
        self.thumbs[index] = features.thumb
        self.extremes[index] = features.extremes
        self.seen[index] = True


def examine_all(items: Sequence[ImageItem]) -> tuple[list[Facts], FeatureArrays]:
    """Returns the facts and the features of all images, with a progress bar on a terminal."""

    def examine_chunk(start: int) -> list[tuple[Facts, ImageFeatures | None]]:
        with warnings.catch_warnings(action="ignore"):  # decoders warn about defects that they can correct
            return [examine(item) for item in items[start : start + CHUNK_IMAGES]]

    all_facts: list[Facts] = []
    all_features = FeatureArrays(len(items))
    for chunk in map_chunks(examine_chunk, len(items), "reading images"):
        for facts, features in chunk:
            if features:
                all_features[len(all_facts)] = features
            all_facts.append(facts)
    return all_facts, all_features
