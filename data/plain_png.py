"""The files of most small data sets, PNG without anything special, read by OpenCV in a quarter of Pillow's time."""

import os
import struct
import zlib

import cv2
import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PLAIN = {b"IHDR", b"IDAT", b"IEND"}  # chunks of a PNG without a palette, transparency, orientation or animation
GREY, RGB = 0, 2  # colour types
HEADER = 33  # bytes of the signature and of the chunk IHDR


def plain_png(path: str | os.PathLike[str], size: int) -> np.ndarray | None:
    """The pixels, size×size×3, of a PNG of that size in 8-bit RGB or grey; None for every other file.

    OpenCV does not tell of damage, so the checksums are looked at here, and a damaged file is left to Pillow.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(HEADER)
            if not _is_plain_header(data, size):
                return None
            data += file.read()
    except OSError:
        return None
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if _chunks(data) == PLAIN else None


def _is_plain_header(data: bytes, size: int) -> bool:
    return (
        len(data) == HEADER
        and data.startswith(SIGNATURE)
        and struct.unpack_from(">II", data, 16) == (size, size)
        and data[24] == 8
        and data[25] in (GREY, RGB)
    )


def _chunks(data: bytes) -> set[bytes]:
    """The kinds of chunks in a PNG; none at all where one is damaged or cut off."""
    kinds, position = set(), len(SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        kind = data[position + 4 : position + 8]
        if data[end : end + 4] != zlib.crc32(data[position + 4 : end]).to_bytes(4):
            return set()
        kinds.add(kind)
        position = end + 4
    return kinds if position == len(data) else set()
