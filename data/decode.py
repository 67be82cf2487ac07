"""Image files to pixels: the one way in which a file is read, and many files at once."""

import os
import signal
import struct
import sys
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps
from rich.progress import track

from data.common.errors import DataError
from data.common.progress import on_terminal
from data.items import ImageItem

AT_ONCE = 64  # files that a process decodes before it asks for more; fewer start no further process
PNG = b"\x89PNG\r\n\x1a\n"
PLAIN = {b"IHDR", b"IDAT", b"IEND"}  # chunks of a PNG without a palette, transparency, orientation or animation
GREY, RGB = 0, 2  # colour types of a PNG


def read_pixels(path: Path | str, size: int) -> np.ndarray:
    """The pixels of a file, size×size×3, uint8: its shorter side resized to `size`, its centre cropped.

    Raises:
        DataError: a file that is missing or no image, named.
    """
    pixels = _plain_png(path)
    if pixels is not None and pixels.shape[:2] == (size, size):
        return pixels
    return np.asarray(fitted(open_rgb(path), size))


def open_rgb(path: Path | str) -> Image.Image:
    """The image in a file as RGB, turned upright as its EXIF orientation says.

    Raises:
        DataError: a file that is missing or no image, named.
    """
    try:
        with Image.open(path) as image:
            return upright(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what its readers raise
        reason = str(error).split(" '")[0] or type(error).__name__  # without the path once more
        raise DataError(f"{path}: not a readable image ({reason}); replace or remove it") from error


def upright(image: Image.Image) -> Image.Image:
    """The image as RGB, turned as its EXIF orientation says."""
    return ImageOps.exif_transpose(image).convert("RGB")


def fitted(image: Image.Image, size: int) -> Image.Image:
    """The shorter side resized to `size` pixels, the centre cropped."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def _plain_png(path: Path | str) -> np.ndarray | None:
    """The pixels H×W×3 of a PNG of 8-bit RGB or grey; None for every other file, which Pillow is to read.

    OpenCV takes a quarter of Pillow's time for it. It does not tell of damage, so the checksums are looked at here.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    if not data.startswith(PNG) or _chunks(data) != PLAIN or data[24] != 8 or data[25] not in (GREY, RGB):
        return None
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def _chunks(data: bytes) -> set[bytes]:
    """The kinds of chunks in a PNG; none at all where one is damaged or cut off."""
    kinds, position = set(), len(PNG)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        kind = data[position + 4 : position + 8]
        if data[end : end + 4] != zlib.crc32(data[position + 4 : end]).to_bytes(4):
            return set()
        kinds.add(kind)
        position = end + 4
    return kinds if position == len(data) else set()


def decode(items: Sequence[ImageItem], out: np.ndarray) -> None:
    """Fill `out`, N×size×size×3, with the pixels of `items`; a bar on a terminal shows how far it is.

    Threads would not help: most of the time goes to Python, which runs in one thread at a time. Processes need `out` to
    be a mapped file, which they share.

    Raises:
        DataError: an image that cannot be read, named.
    """
    starts = range(0, len(items), AT_ONCE)
    processes = min(cores(), len(items) // AT_ONCE)
    bar: dict[str, Any] = {"description": "decoding images", "total": len(starts), **on_terminal()}
    if processes < 2 or not isinstance(out, np.memmap) or sys.platform in ("win32", "darwin"):  # those do not fork
        for start in track(starts, **bar):
            _fill(items, out, start)
        return
    pool = ProcessPoolExecutor(processes, get_context("fork"), _begin, (items, out))
    try:
        for _ in track(pool.map(_fill_share, starts), **bar):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # after a bad file, do not read the rest first


_job: tuple[Sequence[ImageItem], np.ndarray]  # in a process of `decode`: what it works on


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _fill(items: Sequence[ImageItem], out: np.ndarray, start: int) -> None:
    for i, item in enumerate(items[start : start + AT_ONCE], start):
        out[i] = item.read(out.shape[1])


def _begin(items: Sequence[ImageItem], out: np.ndarray) -> None:
    """In a new process: what it works on is inherited and not copied; Ctrl-C is for the process that began it."""
    global _job
    _job = items, out
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _fill_share(start: int) -> None:
    _fill(*_job, start)
