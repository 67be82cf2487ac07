"""Find pairs of similar images without comparing all pairs.

The perceptual hashes (64 bits) of two similar images differ in few bits. Such pairs are found by multi-index hashing
(Norouzi, Punjani and Fleet 2012): each hash is cut into m parts. Two hashes that differ in at most r bits differ in at
most r // m bits in at least one part, so only pairs that are this close in one part are compared in full.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import comb

import numpy as np

from data.check.examine import FeatureArrays

HASH_BITS = 64  # bits of a perceptual hash
MAX_HASH_DISTANCE = 10  # bits in which the hashes of two similar pictures may differ
MIN_SIMILARITY = 0.8  # smallest similarity of near duplicates; see `similarity`
MIN_SIMILARITY_OF_UNIFORM_SETS = 0.99  # the same, for a set whose pictures all resemble each other
MAX_USUAL_SIMILARITY = 0.25  # median similarity of random pairs above which a set counts as uniform
SAMPLED_PAIRS = 10_000  # random pairs from which that median is computed
MAX_FLAT_RANGE = 8  # grey levels; a thumbnail with a smaller range of levels shows nothing
MAX_HASH_PAIRS = 2**20  # pairs of hashes that are compared in one call
MAX_THUMBNAIL_PAIRS = 2**14  # pairs of thumbnails that are compared in one call, which takes 140 MB


def similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the similarity of N pairs of thumbnails: the mean of the correlations of grey levels and of edges.

    Brightness and contrast have no influence. The correlation of levels alone would match a ship with a plane in front
    of the same horizon, which differ in their edges.

    Args:
        a: N×16×16, uint8, the first thumbnail of each pair.
        b: N×16×16, uint8, the second one.

    Returns:
        N values of at most 1.
    """
    levels = (_unit(a) * _unit(b)).sum(1)
    return (levels + (_unit(_edges(a)) * _unit(_edges(b))).sum(1)) / 2


def _edges(thumbs: np.ndarray) -> np.ndarray:
    """Returns the differences of neighbouring pixels in both directions, one row per thumbnail."""
    grey = thumbs.astype(np.float32)
    return np.concatenate([np.diff(grey, axis=axis).reshape(len(grey), -1) for axis in (1, 2)], axis=1)


def _unit(values: np.ndarray) -> np.ndarray:
    """Returns one row per thumbnail with its mean subtracted, scaled to length 1; a constant row becomes 0."""
    rows = values.reshape(len(values), -1).astype(np.float32)
    rows = rows - rows.mean(1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def near_pairs(features: FeatureArrays, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the near duplicates among images whose pixels are not identical.

    Args:
        features: features of N images.
        groups: N, group of each image; two images of the same group are not compared.

    Returns:
        The pairs, P×2, by index with the smaller one first, and their similarities, P.
    """
    usable = np.flatnonzero(features.seen & (np.ptp(features.thumbs, axis=(1, 2)) > MAX_FLAT_RANGE))
    threshold = _min_similarity(features.thumbs[usable])
    pairs, similarities = [], []
    for left, right in close_pairs(features.phashes[usable]):
        left, right = usable[left], usable[right]
        other = (groups[left] != groups[right]) & (features.digests[left] != features.digests[right])
        if not other.any():
            continue
        left, right = left[other], right[other]
        cuts = range(MAX_THUMBNAIL_PAIRS, len(left), MAX_THUMBNAIL_PAIRS)
        parts = zip(np.split(left, cuts), np.split(right, cuts), strict=True)
        similar = np.concatenate([similarity(features.thumbs[a], features.thumbs[b]) for a, b in parts])
        pairs.append(np.stack([left, right], 1)[similar >= threshold])
        similarities.append(similar[similar >= threshold])
    if not pairs:
        return np.zeros((0, 2), int), np.zeros(0)
    found, first = np.unique(np.concatenate(pairs), axis=0, return_index=True)
    return found, np.concatenate(similarities)[first]


def _min_similarity(thumbs: np.ndarray) -> float:
    """Returns the smallest similarity of near duplicates in this set.

    All pictures of a uniform set, such as digits or X-rays, resemble each other, so there it is close to 1.
    """
    a, b = np.random.default_rng(0).integers(0, max(len(thumbs), 1), (2, SAMPLED_PAIRS))
    a, b = a[a != b], b[a != b]
    return (
        MIN_SIMILARITY_OF_UNIFORM_SETS
        if len(a) and np.median(similarity(thumbs[a], thumbs[b])) > MAX_USUAL_SIMILARITY
        else MIN_SIMILARITY
    )


def close_pairs(hashes: np.ndarray, radius: int = MAX_HASH_DISTANCE) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs of hashes that differ in at most `radius` bits; a pair may be yielded more than once.

    Args:
        hashes: N, uint64.
        radius: largest number of different bits.

    Yields:
        Two arrays of the same length: the index of the first and of the second hash of each pair.
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
    """Returns the approximate number of lookups and comparisons per image if hashes are cut into `parts` parts."""
    width = HASH_BITS / parts
    flips = sum(comb(round(width), flips) for flips in range(radius // parts + 1))
    table = 2**width / hashes  # cost of the table with one entry per value of a part
    return parts * (flips * (1 + hashes / 2**width) + table)


def _verified_pairs(
    hashes: np.ndarray, order: np.ndarray, start: np.ndarray, end: np.ndarray, radius: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the pairs of each hash and its candidates, `order[start:end]`, that differ in at most `radius` bits."""
    counts = end - start
    total = np.cumsum(counts)
    cuts = np.unique([*np.searchsorted(total, np.arange(MAX_HASH_PAIRS, total[-1], MAX_HASH_PAIRS)), 0, len(hashes)])
    for low, high in pairwise(cuts):
        lengths, first = counts[low:high], start[low:high]
        left = np.repeat(np.arange(low, high), lengths)
        within = np.arange(len(left)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        right = order[np.repeat(first, lengths) + within]
        close = (left < right) & (np.bitwise_count(hashes[left] ^ hashes[right]) <= radius)
        if close.any():
            yield left[close], right[close]
