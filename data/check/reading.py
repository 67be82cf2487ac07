"""Every image of a list is examined once, in as many processes as there are processors."""

import warnings
from collections.abc import Sequence

import numpy as np

from data.check.facts import THUMB, Facts, Look, examine
from data.decode import AT_ONCE, shares
from data.items import ImageItem


class Looks:
    """The looks of N images, in arrays: 286 bytes an image.

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
        self.thumbs = np.zeros((count, THUMB, THUMB), np.uint8)
        self.extremes = np.zeros((count, 3, 2), np.uint8)
        self.seen = np.zeros(count, bool)

    def __setitem__(self, index: int, look: Look) -> None:
        self.digests[index] = np.void(look.digest)
        self.phashes[index], self.thumbs[index], self.extremes[index] = look.phash, look.thumb, look.extremes
        self.seen[index] = True


def examine_all(items: Sequence[ImageItem]) -> tuple[list[Facts], Looks]:
    """The facts and the looks of all images; a bar on a terminal shows how far it is."""

    def examine_some(start: int) -> list[tuple[Facts, Look | None]]:
        with warnings.catch_warnings(action="ignore"):  # what a decoder mends is not the user's concern
            return [examine(item) for item in items[start : start + AT_ONCE]]

    facts: list[Facts] = []
    looks = Looks(len(items))
    for some in shares(examine_some, len(items), "reading images"):
        for one, look in some:
            if look:
                looks[len(facts)] = look
            facts.append(one)
    return facts, looks
