"""Pairs of images that look alike, without comparing each with each.

The perceptual hashes (64 bits) of two such images differ in few bits. They are found by multi-index hashing (Norouzi,
Punjani and Fleet 2012): hashes are cut into m parts; two that differ in at most r bits differ in at most r // m bits
of some part, so only those that agree in a part, but for so many bits, are compared.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb

import numpy as np

from data.check.examine import FeatureArrays

HASH_BITS = 64
MAX_HASH_DISTANCE = 10  # bits in which the hashes of two pictures that look alike may differ
MIN_SIMILARITY = 0.8  # similarity from which two pictures are near duplicates; see `similarity`
MIN_SIMILARITY_OF_UNIFORM_SETS = 0.99  # the same, where the pictures of a set are alike by their nature
MAX_USUAL_SIMILARITY = 0.25  # half of a set's pairs are this similar at the most, or its pictures are alike by nature
SAMPLED_PAIRS = 10_000  # pairs drawn at random to tell how alike the pictures of a set are
MAX_FLAT_RANGE = 8  # levels of 255: a thumbnail whose levels are no farther apart shows nothing
MAX_HASH_PAIRS = 2**20  # pairs of hashes that are compared at a time
MAX_THUMBNAIL_PAIRS = 2**14  # pairs of thumbnails that are compared at a time, which take 140 MB


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How alike the thumbnails of N pairs are: the mean of two correlations, of the grey levels and of the edges.

    Brightness and contrast do not count. Levels alone would find a ship alike a plane before the same horizon, and
    edges alone a picture alike its negative.

    Args:
        a, b: N×16×16, uint8.

    Returns:
        N values of at most 1.
    """
    levels = (_unit(a) * _unit(b)).sum(1)
    return (levels + (_unit(_edges(a)) * _unit(_edges(b))).sum(1)) / 2


def _edges(thumbs: np.ndarray) -> np.ndarray:
    grey = thumbs.astype(np.float32)
    return np.concatenate([np.diff(grey, axis=axis).reshape(len(grey), -1) for axis in (1, 2)], axis=1)


def _unit(values: np.ndarray) -> np.ndarray:
    """Each row less its mean, of length 1; a row that does not vary stays 0."""
    rows = values.reshape(len(values), -1).astype(np.float32)
    rows = rows - rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def near_pairs(features: FeatureArrays, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The near duplicates among images that differ in some pixel.

    Args:
        groups: N numbers; two images of one group are no pair.

    Returns:
        The pairs, P×2, the smaller place first, and their similarities, P.
    """
    usable = np.flatnonzero(features.seen & (np.ptp(features.thumbs, axis=(1, 2)) > MAX_FLAT_RANGE))
    bound, pairs, similarities = _min_similarity(features.thumbs[usable]), [], []
    for left, right in close_pairs(features.phashes[usable]):
        left, right = usable[left], usable[right]
        other = (groups[left] != groups[right]) & (features.digests[left] != features.digests[right])
        if not other.any():
            continue
        left, right = left[other], right[other]
        cuts = range(MAX_THUMBNAIL_PAIRS, len(left), MAX_THUMBNAIL_PAIRS)
        parts = zip(np.split(left, cuts), np.split(right, cuts), strict=True)
        similar = np.concatenate([similarity(features.thumbs[a], features.thumbs[b]) for a, b in parts])
        pairs.append(np.stack([left, right], 1)[similar >= bound])
        similarities.append(similar[similar >= bound])
    if not pairs:
        return np.zeros((0, 2), int), np.zeros(0)
    found, first = np.unique(np.concatenate(pairs), axis=0, return_index=True)
    return found, np.concatenate(similarities)[first]


def _min_similarity(thumbs: np.ndarray) -> float:
    """From which similarity on two pictures of this set are near duplicates.

    Digits or X-rays are alike by their nature: there only pictures that are all but equal count.
    """
    a, b = np.random.default_rng(0).integers(0, max(len(thumbs), 1), (2, SAMPLED_PAIRS))
    a, b = a[a != b], b[a != b]
    return (
        MIN_SIMILARITY_OF_UNIFORM_SETS
        if len(a) and np.median(similarity(thumbs[a], thumbs[b])) > MAX_USUAL_SIMILARITY
        else MIN_SIMILARITY
    )


def close_pairs(hashes: np.ndarray, radius: int = MAX_HASH_DISTANCE) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of places whose hashes differ in at most `radius` bits; a pair may come more than once.

    Args:
        hashes: N, uint64.
    """
    if len(hashes) < 2:
        return
    count = min(range(1, HASH_BITS + 1), key=lambda count: _search_cost(len(hashes), count, radius))
    parts = np.array_split(np.arange(HASH_BITS, dtype=np.uint64), count)
    for part in parts:
        width = len(part)
        keys = ((hashes >> part[0]) & np.uint64(2**width - 1)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange(2**width + 1))
        for flips in range(radius // len(parts) + 1):
            for bits in combinations(range(width), flips):
                partners = keys ^ sum(1 << bit for bit in bits)
                yield from _verified_pairs(hashes, order, starts[partners], starts[partners + 1], radius)


def _search_cost(hashes: int, parts: int, radius: int) -> float:
    """About how many steps an image takes where hashes are cut into `parts`: to look others up and to compare them."""
    width = HASH_BITS / parts
    flips = sum(comb(round(width), flips) for flips in range(radius // parts + 1))
    table = 2**width / hashes  # of the numbers of each value of a part
    return parts * (flips * (1 + hashes / 2**width) + table)


def _verified_pairs(
    hashes: np.ndarray, order: np.ndarray, start: np.ndarray, end: np.ndarray, radius: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each place and its candidates, `order[start:end]`, the pairs that are close in all bits."""
    counts = end - start
    total = np.cumsum(counts)
    cuts = np.unique([*np.searchsorted(total, np.arange(MAX_HASH_PAIRS, total[-1], MAX_HASH_PAIRS)), 0, len(hashes)])
    for low, high in pairwise(cuts):
        some, first = counts[low:high], start[low:high]
        left = np.repeat(np.arange(low, high), some)
        within = np.arange(len(left)) - np.repeat(np.cumsum(some) - some, some)
        right = order[np.repeat(first, some) + within]
        close = (left < right) & (np.bitwise_count(hashes[left] ^ hashes[right]) <= radius)
        if close.any():
            yield left[close], right[close]
