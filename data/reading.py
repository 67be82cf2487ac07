"""The one way in for pixels: whatever the kind of an image, and wherever it is used."""

import io
import os
import re
from contextlib import suppress
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from data.common.errors import DataError
from data.plain_png import plain_png
from data.rgb import DAMAGE, as_seen, to_bytes

with suppress(ImportError):  # the optional extra `heic`
    from pillow_heif import register_heif_opener

    register_heif_opener()

HEIC = (".heic", ".heif", ".hif")
DRAFT = 2  # a JPEG is decoded at a reduced size of no less than this times the size that is asked for
ARRAY_WHITE = {"uint8": 255, "uint16": 65535, "bool": 1, "float16": 1, "float32": 1, "float64": 1}


def read_pixels(source: object, size: int) -> np.ndarray:
    """The pixels of an image, size×size×3, uint8: its shorter side resized to `size`, its centre cropped.

    Args:
        source: see `open_rgb`.

    Raises:
        DataError: see `open_rgb`.
    """
    pixels = plain_png(source, size) if isinstance(source, str | os.PathLike) else None
    return np.asarray(fitted(open_rgb(source, size), size)) if pixels is None else pixels


def fitted(image: Image.Image, size: int) -> Image.Image:
    """The shorter side resized to `size` pixels, the centre cropped."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def open_rgb(source: object, size: int | None = None, name: str | None = None) -> Image.Image:
    """An image of any kind as a person sees it, in RGB; see `as_seen`.

    Args:
        source: a path; the bytes of a file; a stream open for reading; a PIL image; an array H×W or H×W×C; a tensor
            H×W, C×H×W or H×W×C. C is 1 (grey), 2 (grey and alpha), 3 or 4 (RGB and alpha). Arrays and tensors hold
            uint8, uint16, booleans, or floats in [0, 1]. Of an animation the first frame is taken.
        size: the side in pixels for which `fitted` will be called: a larger JPEG is decoded at a half, a quarter or an
            eighth of its size, and never below twice this side. None decodes all pixels. A PIL image that is open
            already is taken as it is.
        name: what messages call the image, where it is not a file.

    Raises:
        DataError: an image that is missing, damaged or of another kind, named.
    """
    name = name or name_of(source)
    try:
        if isinstance(source, Image.Image):
            return as_seen(source)
        with _opened(source, name) as image:
            if size:
                image.draft(None, (DRAFT * size, DRAFT * size))
            return as_seen(image)
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"{name}: {_problem(error, name)}") from error


def _opened(source: Any, name: str) -> Image.Image:
    if isinstance(source, str | os.PathLike):
        return Image.open(source)
    if isinstance(source, bytes | bytearray | memoryview):
        return Image.open(io.BytesIO(source))
    if hasattr(source, "read"):
        return Image.open(source)
    if isinstance(source, np.ndarray):
        return _picture(source, name)
    if hasattr(source, "detach"):
        return _picture(_channels_last(source.detach().cpu().numpy()), name)
    raise DataError(f"{name}: no image; give a path, bytes, a stream, a PIL image, an array or a tensor")


def _channels_last(array: np.ndarray) -> np.ndarray:
    """The array H×W×C of a tensor C×H×W; where only the last axis can be that of channels, it is one already."""
    return array.transpose(1, 2, 0) if array.ndim == 3 and array.shape[0] <= 4 else array


def _picture(array: np.ndarray, name: str) -> Image.Image:
    white = ARRAY_WHITE.get(array.dtype.name)
    channels = array.shape[2] if array.ndim == 3 else 1
    with suppress(ValueError):  # values beyond the range of the type
        if white and array.size and array.ndim in (2, 3) and 1 <= channels <= 4:
            pixels = array if white == 255 else to_bytes(array, white)
            return Image.fromarray(pixels.squeeze(2) if array.shape[2:] == (1,) else np.ascontiguousarray(pixels))
    raise DataError(
        f"{name}: an image of shape {array.shape} and type {array.dtype}; it must be H×W or H×W×C (tensors: "
        "C×H×W), uint8, uint16 or floats in [0, 1]: leave normalisation to the loader"
    )


def name_of(source: object) -> str:
    """What messages call an image: its path, or else its kind."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes | bytearray):
        return f"an image of {len(source):,} bytes"
    return str(getattr(source, "filename", "") or getattr(source, "name", "") or f"a {type(source).__name__}")


def _problem(error: BaseException, name: str) -> str:
    """What is wrong and what to do, in one line."""
    if name.lower().endswith(HEIC) and HEIC[0] not in Image.registered_extensions():
        return "to read HEIC, install pillow-heif: pip install pillow-heif"
    told = getattr(error, "strerror", None) or str(error)
    reason = re.split(" ['<]", next(iter(told.splitlines()), ""))[0]  # without the path or the stream once more
    return f"not a readable image ({reason or type(error).__name__}); replace or remove it"
