"""Decode a source once: one uint8 file of all images beside fastai's data, memory-mapped on reading."""

import json
import logging
from typing import NamedTuple

import numpy as np

from data.common.errors import DataError
from data.common.files import replacing, write_json
from data.decode import decode
from data.items import ImageItem
from data.kept import kept_path, locked
from data.opening import Source
from data.settings import Cache

AUTO_LIMIT = 512 * 2**20  # bytes of decoded images that `auto` keeps
STATS_SAMPLE = 2000  # images that mean and deviation come from where nothing is kept
READING = 2  # raised whenever `read_pixels` gives other pixels for a file, so that kept ones are made again
COUNTED_AT_ONCE = 2**22  # pixels; counting takes 8 bytes for each

log = logging.getLogger(__name__)


class Stats(NamedTuple):
    """Mean and standard deviation of each channel over the training images, as fractions of 255.

    A channel that is the same in every pixel of every image has the deviation 1, so that it can be divided by.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_pixels(source: Source, size: int, cache: Cache = "auto") -> np.ndarray | None:
    """All images, training ones first, N×size×size×3; None where they are not to be kept.

    Args:
        cache: memory keeps them always, none never, auto up to 512 MiB.

    Raises:
        DataError: an image that cannot be read, named.
    """
    images = [*source.train, *source.valid]
    shape = (len(images), size, size, 3)
    if cache == "none" or (cache == "auto" and np.prod(shape) > AUTO_LIMIT):
        return None
    if source.stamp is None:
        return _decoded(images, size)
    path = kept_path(source.name, source.stamp, f"{size}px-v{READING}.npy")
    with locked(path):
        if not path.exists():
            with replacing(path) as scratch:
                decode(images, np.lib.format.open_memmap(scratch, "w+", np.uint8, shape))
    return np.load(path, mmap_mode="r").view(np.ndarray)


def load_stats(source: Source, size: int, pixels: np.ndarray | None) -> Stats:
    """Mean and deviation of the training images, computed once.

    Args:
        pixels: what `load_pixels` gave; without them a sample of the images is decoded.

    Raises:
        DataError: no training images, or one that cannot be read.
    """
    if not source.train:
        raise DataError(f"{source.name}: no training images to take mean and deviation from; give `stats`")
    stats = _stats(source, size, pixels) if source.stamp is None else _kept_stats(source, size, source.stamp, pixels)
    constant = [name for name, std in zip(("red", "green", "blue"), stats.std, strict=True) if std == 1]
    if constant:  # no values between 0 and 1 deviate as much
        log.warning("%s: the training images have one value of %s in all pixels", source.name, " and ".join(constant))
    return stats


def _kept_stats(source: Source, size: int, stamp: str, pixels: np.ndarray | None) -> Stats:
    path = kept_path(source.name, stamp, f"{size}px-v{READING}.json")
    with locked(path):
        if not path.exists():
            write_json(path, _stats(source, size, pixels)._asdict())
    return Stats(**{name: tuple(values) for name, values in json.loads(path.read_text()).items()})


def _decoded(images: list[ImageItem], size: int) -> np.ndarray:
    out = np.empty((len(images), size, size, 3), np.uint8)
    decode(images, out)
    return out


def _stats(source: Source, size: int, pixels: np.ndarray | None) -> Stats:
    if pixels is not None:
        return _measure(pixels[: len(source.train)])
    step = max(1, len(source.train) // STATS_SAMPLE)
    return _measure(_decoded(source.train[::step][:STATS_SAMPLE], size))


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
    variance = np.maximum(share @ values**2 - mean**2, 0)
    variance[(counts > 0).sum(axis=1) == 1] = 1  # exactly, where rounding leaves a little
    return Stats(tuple(mean.tolist()), tuple(np.sqrt(variance).tolist()))
