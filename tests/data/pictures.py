"""Pictures for tests: photograph-like ones, a colour profile with other primaries, and PNG files byte by byte."""

import struct
import zlib

import numpy as np
from PIL import Image

D50 = (0.9642, 1.0, 0.8249)
PRIMARIES = {"r": (0.4360, 0.2225, 0.0139), "g": (0.3851, 0.7169, 0.0971), "b": (0.1431, 0.0606, 0.7141)}  # of sRGB


def photograph(width, height, seed=0):
    """Returns coloured noise of all scales with a few sharp edges, H×W×3, uint8."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for side in (2, 4, 8, 16, 32, 64):
        noise = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        total += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)) / side**0.7
    total = 255 * (total - total.min()) / np.ptp(total)
    for _ in range(6):
        x, y = rng.integers(width), rng.integers(height)
        total[y : y + height // 5, x : x + width // 5] = rng.integers(0, 256, 3)
    return np.clip(total + rng.normal(0, 3, total.shape), 0, 255).astype(np.uint8)


def swapped_profile():
    """Returns an ICC profile that exchanges red and blue of sRGB, with gamma 2.2 in all channels."""

    def fixed(*values):
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(*D50), **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)}
    tags |= {n: b"XYZ \0\0\0\0" + fixed(*PRIMARIES[p]) for n, p in ((b"rXYZ", "b"), (b"gXYZ", "g"), (b"bXYZ", "r"))}
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    rest = struct.pack(">I", len(tags)) + table + body
    head = struct.pack(">I4sI4s4s4s", 128 + len(rest), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += b"\0" * 12 + b"acsp" + b"\0" * 28 + fixed(*D50)
    return head.ljust(128, b"\0") + rest


def png(*chunks):
    """Returns the bytes of a PNG file with these chunks, pairs of type and content, with correct checksums."""
    made = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def png_header(width, height, bits=8, colour=2):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
