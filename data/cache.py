"""Decode a source once: one uint8 file of all images beside fastai's data, memory-mapped on reading."""

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from fastai.data.external import fastai_path
from filelock import FileLock
from rich.progress import track

from .images import read_pixels
from .progress import on_terminal
from .sources import Source

AUTO_LIMIT = 512 * 2**20  # bytes of decoded images that `auto` keeps
STATS_SAMPLE = 2000  # images that mean and deviation come from where nothing is kept
COUNTED_AT_ONCE = 2**22  # pixels; counting takes 8 bytes for each
DECODED_AT_ONCE = 64  # images

Cache = Literal["auto", "memory", "none"]


class Stats(NamedTuple):
    """Mean and standard deviation of each channel over the training images, as fractions of 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_pixels(source: Source, size: int, cache: Cache = "auto") -> np.ndarray | None:
    """All images, training ones first, N×size×size×3; None where they are not to be kept.

    Args:
        cache: memory keeps them always, none never, auto up to 512 MiB.

    Raises:
        DataError: an image that cannot be read, named.
    """
    files = [*source.train, *source.valid]
    shape = (len(files), size, size, 3)
    if cache == "none" or (cache == "auto" and np.prod(shape) > AUTO_LIMIT):
        return None
    path = _place(source, size, ".npy")
    with _locked(path):
        if not path.exists():
            with _replacing(path) as scratch:
                _decode(files, np.lib.format.open_memmap(scratch, "w+", np.uint8, shape))
    return np.load(path, mmap_mode="r").view(np.ndarray)


def load_stats(source: Source, size: int, pixels: np.ndarray | None) -> Stats:
    """Mean and deviation of the training images, computed once.

    Args:
        pixels: what `load_pixels` gave; without them a sample of the files is decoded.
    """
    path = _place(source, size, ".json")
    with _locked(path):
        if not path.exists():
            stats = _measure(_sample(source, size) if pixels is None else pixels[: len(source.train)])
            with _replacing(path) as scratch:
                scratch.write_text(json.dumps(stats._asdict()))
    return Stats(**{name: tuple(values) for name, values in json.loads(path.read_text()).items()})


def _place(source: Source, size: int, suffix: str) -> Path:
    name = re.sub(r"\W+", "-", Path(source.name).name) or "root"
    return fastai_path("data").parent / "decoded" / f"{name}-{size}px-{source.stamp[:16]}{suffix}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process builds a file, the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A scratch path that becomes `path` once it is complete."""
    scratch = path.with_suffix(".part")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _decode(files: list[Path], out: np.ndarray) -> None:
    def fill(start: int) -> None:
        for i, path in enumerate(files[start : start + DECODED_AT_ONCE], start):
            out[i] = read_pixels(path, out.shape[1])

    starts = range(0, len(files), DECODED_AT_ONCE)
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for _ in track(pool.map(fill, starts), "decoding images", len(starts), **on_terminal()):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # after a bad file, do not read the rest first


def _sample(source: Source, size: int) -> np.ndarray:
    step = max(1, len(source.train) // STATS_SAMPLE)
    files = source.train[::step][:STATS_SAMPLE]
    out = np.empty((len(files), size, size, 3), np.uint8)
    _decode(files, out)
    return out


def _measure(pixels: np.ndarray) -> Stats:
    """Exact: the values are counted, 256 kinds a channel."""
    counts = np.zeros((3, 256))
    step = max(1, COUNTED_AT_ONCE // pixels[0, ..., 0].size)  # images
    for start in range(0, len(pixels), step):
        part = pixels[start : start + step]
        counts += [np.bincount(part[..., c].ravel(), minlength=256) for c in range(3)]
    share = counts / counts.sum(axis=1, keepdims=True)  # 3×256
    values = np.arange(256) / 255
    mean = share @ values
    variance = share @ values**2 - mean**2
    return Stats(tuple(mean.tolist()), tuple(np.sqrt(np.maximum(variance, 0)).tolist()))
