"""Every image of a list is examined once, in as many processes as there are processors."""

import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from rich.progress import track

from data.check.facts import THUMB, Facts, Look, examine
from data.common.progress import on_terminal
from data.decode import cores
from data.items import ImageItem

AT_ONCE = 64  # images that a process examines before it asks for more; fewer start no further process


class Looks:
    """The looks of N images, in arrays: 280 bytes an image.

    Attributes:
        digests: N values of 16 bytes.
        phashes: N, uint64.
        thumbs: N×16×16, uint8.
        seen: N, whether the image could be read.
    """

    def __init__(self, count: int) -> None:
        self.digests = np.zeros(count, "V16")
        self.phashes = np.zeros(count, np.uint64)
        self.thumbs = np.zeros((count, THUMB, THUMB), np.uint8)
        self.seen = np.zeros(count, bool)

    def __setitem__(self, index: int, look: Look) -> None:
        self.digests[index] = np.void(look.digest)
        self.phashes[index], self.thumbs[index], self.seen[index] = look.phash, look.thumb, True


def examine_all(items: Sequence[ImageItem]) -> tuple[list[Facts], Looks]:
    """The facts and the looks of all images; a bar on a terminal shows how far it is."""
    facts: list[Facts] = []
    looks = Looks(len(items))
    starts = range(0, len(items), AT_ONCE)
    shares = (items[start : start + AT_ONCE] for start in starts)
    for share in track(_shares(shares, len(starts)), "reading images", total=len(starts), **on_terminal()):
        for one, look in share:
            if look:
                looks[len(facts)] = look
            facts.append(one)
    return facts, looks


def _shares(shares: Iterator[Sequence[ImageItem]], count: int) -> Iterator[list[tuple[Facts, Look | None]]]:
    """Processes, for with small files most of the time goes to Python, which runs in one thread at a time."""
    processes = min(cores(), count)
    if processes < 2:
        yield from map(_examine_share, shares)
        return
    context = get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        yield from pool.map(_examine_share, shares)
    finally:
        pool.shutdown(cancel_futures=True)


def _examine_share(items: Sequence[ImageItem]) -> list[tuple[Facts, Look | None]]:
    with warnings.catch_warnings(action="ignore"):  # what a decoder mends is not the user's concern
        return [examine(item) for item in items]
