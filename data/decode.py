"""Many images to pixels at once, in as many processes as there are processors."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
from rich.progress import track

from data.common.errors import DataError
from data.common.progress import on_terminal
from data.items import ImageItem

AT_ONCE = 64  # files that a process decodes before it asks for more; fewer start no further process
SMALL_SIDE = 8  # pixels: a JPEG that is only to be tried is decoded at an eighth of its size
ADVICE = ", or leave such images out with `skip_bad`"  # an image of a set need not end the run

T = TypeVar("T")


def decode(items: Sequence[ImageItem], out: np.ndarray) -> None:
    """Fill `out`, N×size×size×3, with the pixels of `items`; a bar on a terminal shows how far it is.

    Processes need `out` to be a mapped file, which they share.

    Raises:
        DataError: an image that cannot be read, named.
    """

    def fill(start: int) -> None:
        for i, item in enumerate(items[start : start + AT_ONCE], start):
            try:
                out[i] = item.read(out.shape[1])
            except DataError as error:
                raise DataError(f"{error}{ADVICE}") from error

    for _ in shares(fill, len(items), "decoding images", alone=not isinstance(out, np.memmap)):
        pass


def unreadable(items: Sequence[ImageItem]) -> dict[int, str]:
    """Read every image once; for each that cannot be read, at its position, what is wrong with which file."""

    def find(start: int) -> dict[int, str]:
        found = {}
        for i, item in enumerate(items[start : start + AT_ONCE], start):
            try:
                item.read(SMALL_SIDE)
            except DataError as error:
                found[i] = str(error)
        return found

    found: dict[int, str] = {}
    for part in shares(find, len(items), "trying images"):
        found |= part
    return found


def shares(work: Callable[[int], T], count: int, description: str, alone: bool = False) -> Iterator[T]:
    """What `work` returns for 0, 64, 128, … below `count`, in that order; a bar on a terminal shows how far it is.

    Threads would not help: most of the time goes to Python, which runs in one thread at a time.

    Args:
        work: handles 64 items from a position on; in another process, where its result must be picklable.
        alone: start no processes.
    """
    starts = range(0, count, AT_ONCE)
    processes = min(cores(), count // AT_ONCE)
    bar: dict[str, Any] = {"description": description, "total": len(starts), **on_terminal()}
    if alone or processes < 2 or sys.platform in ("win32", "darwin"):  # those do not fork
        yield from track(map(work, starts), **bar)
        return
    pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (work,))
    try:
        yield from track(pool.map(_share, starts), **bar)
    finally:
        pool.shutdown(cancel_futures=True)  # after a bad file, do not read the rest first


_work: Callable[[int], Any]  # in a process of `shares`: what it does


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(work: Callable[[int], Any]) -> None:
    """In a new process: its work is inherited and not copied; Ctrl-C is for the process that began it."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _share(start: int) -> Any:
    return _work(start)
