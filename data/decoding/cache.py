"""Decode a source once and cache its pixels, as one memory-mapped uint8 file next to fastai's data folder."""

import json
import logging
from typing import NamedTuple

import numpy as np

from data.common.errors import DataError
from data.common.files import replacing, write_json
from data.decoding.cache_files import cache_path, locked
from data.decoding.decode import decode
from data.items import ImageItem
from data.opening import Source
from data.settings import Cache

AUTO_LIMIT_BYTES = 512 * 2**20  # largest size of the decoded images that the setting `auto` keeps
STATS_SAMPLE_IMAGES = 2000  # images that mean and deviation are computed from if no decoded images are kept
PIXELS_VERSION = 2  # version of `read_pixels`; raise it when its pixels change, to rebuild cached files
MAX_PIXELS_PER_COUNT = 2**22  # pixels counted in one call, which takes 8 bytes per pixel

log = logging.getLogger(__name__)


class Stats(NamedTuple):
    """Mean and standard deviation of each channel over the training images, as fractions of 255.

    A channel that has the same value in every pixel of every image gets the deviation 1, to avoid division by zero.

    Attributes:
        mean: red, green, blue.
        std: red, green, blue.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def load_pixels(source: Source, size: int, cache: Cache = "auto") -> np.ndarray | None:
    """Returns the decoded images, N×size×size×3, uint8, training images first; None if they are not to be kept.

    Args:
        source: an opened source.
        size: side of the square images, in pixels.
        cache: `memory` always keeps them, `none` never, `auto` keeps up to 512 MiB.

    Raises:
        DataError: an image cannot be read; the message names it.
    """
    images = [*source.train, *source.valid]
    shape = (len(images), size, size, 3)
    if cache == "none" or (cache == "auto" and np.prod(shape) > AUTO_LIMIT_BYTES):
        return None
    if source.stamp is None:
        return _decoded(images, size)
    path = cache_path(source.name, source.stamp, f"{size}px-v{PIXELS_VERSION}.npy")
    with locked(path):
        if not path.exists():
            with replacing(path) as scratch:
                decode(images, np.lib.format.open_memmap(scratch, "w+", np.uint8, shape))
    return np.load(path, mmap_mode="r").view(np.ndarray)


def load_stats(source: Source, size: int, pixels: np.ndarray | None) -> Stats:
    """Returns mean and standard deviation of the training images, from the cache if they were computed before.

    Args:
        source: an opened source.
        size: side of the square images, in pixels.
        pixels: the result of `load_pixels`; if None, 2,000 of the images are decoded.

    Raises:
        DataError: there are no training images, or one cannot be read.
    """
    if not source.train:
        raise DataError(f"{source.name}: there are no training images to compute mean and deviation from; give `stats`")
    stats = (
        _compute_stats(source, size, pixels)
        if source.stamp is None
        else _cached_stats(source, size, source.stamp, pixels)
    )
    constant = [name for name, std in zip(("red", "green", "blue"), stats.std, strict=True) if std == 1]
    if constant:  # the mark of a constant channel: the deviation of values from 0 to 1 is at most 0.5
        log.warning(
            "%s: %s has the same value in all pixels of the training images", source.name, " and ".join(constant)
        )
    return stats


def _cached_stats(source: Source, size: int, stamp: str, pixels: np.ndarray | None) -> Stats:
    path = cache_path(source.name, stamp, f"{size}px-v{PIXELS_VERSION}.json")
    with locked(path):
        if not path.exists():
            write_json(path, _compute_stats(source, size, pixels)._asdict())
    return Stats(**{name: tuple(values) for name, values in json.loads(path.read_text()).items()})


def _decoded(images: list[ImageItem], size: int) -> np.ndarray:
    out = np.empty((len(images), size, size, 3), np.uint8)
    decode(images, out)
    return out


def _compute_stats(source: Source, size: int, pixels: np.ndarray | None) -> Stats:
    if pixels is not None:
        return _channel_stats(pixels[: len(source.train)])
    step = max(1, len(source.train) // STATS_SAMPLE_IMAGES)
    return _channel_stats(_decoded(source.train[::step][:STATS_SAMPLE_IMAGES], size))


def _channel_stats(pixels: np.ndarray) -> Stats:
    """Returns exact statistics, computed from how often each of the 256 values occurs in each channel."""
    counts = np.zeros((3, 256))
    step = max(1, MAX_PIXELS_PER_COUNT // pixels[0, ..., 0].size)  # images counted in one call
    for start in range(0, len(pixels), step):
        part = pixels[start : start + step]
        counts += [np.bincount(part[..., c].ravel(), minlength=256) for c in range(3)]
    frequency = counts / counts.sum(axis=1, keepdims=True)  # 3×256
    values = np.arange(256) / 255
    mean = frequency @ values
    variance = np.maximum(frequency @ values**2 - mean**2, 0)
    variance[(counts > 0).sum(axis=1) == 1] = 1  # set directly, because rounding errors may leave a small variance
    return Stats(tuple(mean.tolist()), tuple(np.sqrt(variance).tolist()))
