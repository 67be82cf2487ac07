"""Every image of a list is examined once, in as many processes as there are processors."""

import warnings
from collections.abc import Sequence

import numpy as np

from data.check.facts import THUMBNAIL_SIDE, Facts, ImageFeatures, examine
from data.decode import CHUNK_IMAGES, map_chunks
from data.items import ImageItem


class FeatureArrays:
    """The features of N images, in arrays: 286 bytes an image.

    Attributes:
        digests: N values of 16 bytes.
        phashes: N, uint64.
        thumbs: N×16×16, uint8.
        extremes: N×3×2, uint8, the lowest and the highest value of each channel.
        seen: N, whether the image could be read.
    """

    def __init__(self, count: int) -> None:
        self.digests = np.zeros(count, "V16")
        self.phashes = np.zeros(count, np.uint64)
        self.thumbs = np.zeros((count, THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
        self.extremes = np.zeros((count, 3, 2), np.uint8)
        self.seen = np.zeros(count, bool)

    def __setitem__(self, index: int, image_features: ImageFeatures) -> None:
        self.digests[index] = np.void(image_features.digest)
        self.phashes[index], self.thumbs[index], self.extremes[index] = (
            image_features.phash,
            image_features.thumb,
            image_features.extremes,
        )
        self.seen[index] = True


def examine_all(items: Sequence[ImageItem]) -> tuple[list[Facts], FeatureArrays]:
    """The facts and the features of all images; a bar on a terminal shows how far it is."""

    def examine_some(start: int) -> list[tuple[Facts, ImageFeatures | None]]:
        with warnings.catch_warnings(action="ignore"):  # what a decoder mends is not the user's concern
            return [examine(item) for item in items[start : start + CHUNK_IMAGES]]

    facts: list[Facts] = []
    features = FeatureArrays(len(items))
    for some in map_chunks(examine_some, len(items), "reading images"):
        for one, image_features in some:
            if image_features:
                features[len(facts)] = image_features
            facts.append(one)
    return facts, features
