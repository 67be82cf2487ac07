"""Read images of any kind; all code of the project reads pixels through this module."""

import io
import os
import re
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from data.common.errors import DataError
from data.common.text import shown
from data.decoding.plain_png import plain_png
from data.decoding.rgb import DECODE_ERRORS, as_seen, to_bytes

with suppress(ImportError):  # the optional extra `heic`
    from pillow_heif import register_heif_opener

    register_heif_opener()

HEIC_SUFFIXES = (".heic", ".heif", ".hif")
DRAFT_FACTOR = 2  # a JPEG is decoded at a reduced size of at least this factor times the requested size
ARRAY_WHITE = {  # value of white for each type of an array
    "uint8": 255,
    "uint16": 65535,
    "bool": 1,
    "float16": 1,
    "float32": 1,
    "float64": 1,
}


def read_pixels(source: object, size: int) -> np.ndarray:
    """Returns the pixels of an image, size×size×3, uint8: its shorter side resized to `size`, its centre cropped.

    Args:
        source: see `open_rgb`.
        size: side of the square, in pixels.

    Raises:
        DataError: see `open_rgb`.
    """
    pixels = plain_png(source, size) if isinstance(source, str | os.PathLike) else None
    return np.asarray(fitted(open_rgb(source, size), size)) if pixels is None else pixels


def fitted(image: Image.Image, size: int) -> Image.Image:
    """Returns a square image: the shorter side resized to `size` pixels, the centre cropped."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def open_rgb(source: object, size: int | None = None, name: str | None = None) -> Image.Image:
    """Open an image of any kind in RGB, upright; see `as_seen`.

    Args:
        source: a path; the bytes of a file; a stream open for reading; a PIL image; an array H×W or H×W×C; a tensor
            H×W, C×H×W or H×W×C. C is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha). Arrays and tensors
            contain uint8, uint16, booleans, or floats in [0, 1]. Of an animation the first frame is used.
        size: side in pixels, if the result is then passed to `fitted`: a larger JPEG is decoded at 1/2, 1/4 or 1/8 of
            its size, but not below twice this side. None decodes all pixels. An opened PIL image is not reduced.
        name: name of the image in messages; None uses its path or its kind.

    Raises:
        DataError: the image is missing, damaged or of an unknown kind; the message names it.
    """
    name = name or name_of(source)
    try:
        if isinstance(source, Image.Image):
            return as_seen(source)
        with _opened(source, name) as image:
            if size:
                image.draft(None, (DRAFT_FACTOR * size, DRAFT_FACTOR * size))
            return as_seen(image)
    except DataError:
        raise
    except DECODE_ERRORS as error:
        raise DataError(f"{shown(name)}: {_problem(error, name)}") from error


def _opened(source: Any, name: str) -> Image.Image:
    if isinstance(source, str | os.PathLike):
        return Image.open(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return Image.open(io.BytesIO(source))
    if hasattr(source, "read"):
        return Image.open(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, name)
    if hasattr(source, "detach"):
        return _from_array(_channels_last(source.detach().cpu().numpy()), name)
    raise DataError(f"{name}: not an image; give a path, bytes, a stream, a PIL image, an array or a tensor")


def _channels_last(array: np.ndarray) -> np.ndarray:
    """Returns H×W×C for an array C×H×W. An array whose first axis is longer than 4 has its channels last already."""
    return array.transpose(1, 2, 0) if array.ndim == 3 and array.shape[0] <= 4 else array


def _from_array(array: np.ndarray, name: str) -> Image.Image:
    white = ARRAY_WHITE.get(array.dtype.name)
    channels = array.shape[2] if array.ndim == 3 else 1
    with suppress(ValueError):  # a value is outside of the range of its type
        if white and array.size and array.ndim in (2, 3) and 1 <= channels <= 4:
            pixels = array if white == 255 else to_bytes(array, white)
            return Image.fromarray(pixels.squeeze(2) if array.shape[2:] == (1,) else np.ascontiguousarray(pixels))
    raise DataError(
        f"{name}: the image has shape {array.shape} and type {array.dtype}; it must be H×W or H×W×C (tensors: "
        "C×H×W) and uint8, uint16 or floats in [0, 1]; leave normalisation to the loader"
    )


def name_of(source: object) -> str:
    """Returns the name of an image in messages: its path, or its kind if it has none."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes | bytearray):
        return f"an image of {len(source):,} bytes"
    return str(
        getattr(source, "filename", "") or getattr(source, "name", "") or f"object of type {type(source).__name__}"
    )


def _problem(error: BaseException, name: str) -> str:
    """Returns one line that says what is wrong with an image and what to do."""
    if name.lower().endswith(HEIC_SUFFIXES) and HEIC_SUFFIXES[0] not in Image.registered_extensions():
        return "reading HEIC needs pillow-heif; install it with `pip install pillow-heif`"
    message = getattr(error, "strerror", None) or str(error)
    reason = re.split(" ['<]", next(iter(message.splitlines()), ""))[
        0
    ]  # without the path, which the message already has
    return f"not a readable image ({reason or type(error).__name__}); replace or remove it"
