"""Decode many images in parallel, with one process per processor."""

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

CHUNK_IMAGES = 64  # images that a process decodes per task; smaller sets start no processes
TRIAL_SIDE = 8  # side in pixels at which images are test-read, so that large JPEGs are decoded at 1/8 of their size
SKIP_BAD_ADVICE = ", or leave such images out with `skip_bad`"  # advice that ends the message about an unreadable image

T = TypeVar("T")


def decode(items: Sequence[ImageItem], out: np.ndarray) -> None:
    """Fill `out` with the pixels of `items`, with a progress bar on a terminal.

    Args:
        items: N images.
        out: N×size×size×3, uint8. Only a memory-mapped file is filled by several processes, because they share it.

    Raises:
        DataError: an image cannot be read; the message names it.
    """

    def fill(start: int) -> None:
        for i, item in enumerate(items[start : start + CHUNK_IMAGES], start):
            try:
                out[i] = item.read(out.shape[1])
            except DataError as error:
                raise DataError(f"{error}{SKIP_BAD_ADVICE}") from error

    for _ in map_chunks(fill, len(items), "decoding images", alone=not isinstance(out, np.memmap)):
        pass


def read_errors(items: Sequence[ImageItem]) -> dict[int, str]:
    """Read every image once and return the error messages of those that cannot be read, by their positions in `items`.

    Each message names the file and what is wrong with it.
    """

    def find(start: int) -> dict[int, str]:
        found = {}
        for i, item in enumerate(items[start : start + CHUNK_IMAGES], start):
            try:
                item.read(TRIAL_SIDE)
            except DataError as error:
                found[i] = str(error)
        return found

    found: dict[int, str] = {}
    for part in map_chunks(find, len(items), "test-reading images"):
        found |= part
    return found


def map_chunks(work: Callable[[int], T], count: int, description: str, alone: bool = False) -> Iterator[T]:
    """Yield the results of `work` for chunks of 64 items, in order, with a progress bar on a terminal.

    The chunks run in several processes. Threads would not help, because most of the time is spent in Python code,
    which runs in one thread at a time.

    Args:
        work: is called with the position of the first item of each chunk: 0, 64, 128, …; its result is picklable.
        count: number of items.
        description: text beside the progress bar.
        alone: run everything in this process.
    """
    starts = range(0, count, CHUNK_IMAGES)
    processes = min(cores(), count // CHUNK_IMAGES)
    bar: dict[str, Any] = {"description": description, "total": len(starts), **on_terminal()}
    if alone or processes < 2 or sys.platform in ("win32", "darwin"):  # there, processes are not forked
        yield from track(map(work, starts), **bar)
        return
    pool = ProcessPoolExecutor(processes, get_context("fork"), _start_worker, (work,))
    try:
        yield from track(pool.map(_run_chunk, starts), **bar)
    finally:
        pool.shutdown(cancel_futures=True)  # after an error, do not decode the remaining images


_work: Callable[[int], Any]  # function that a worker process of `map_chunks` calls


def cores() -> int:
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker(work: Callable[[int], Any]) -> None:
    """Set up a forked worker, which inherits `work` without pickling it and leaves Ctrl-C to its parent."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_chunk(start: int) -> Any:
    return _work(start)
