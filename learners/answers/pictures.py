"""Encode images as data URIs for an HTML page."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

MAX_SIDE = 160  # largest side of an image in the page, in pixels
MAX_LOSSLESS_SIDE = 64  # largest side in pixels of images without lossy compression, which would be visible


def data_uri(pixels: np.ndarray) -> str:
    """Return an image as a data URI: PNG up to 64 pixels, otherwise WebP of at most 160 pixels.

    Args:
        pixels: H×W×3, uint8.
    """
    image, buffer = Image.fromarray(pixels), BytesIO()
    if max(image.size) <= MAX_LOSSLESS_SIDE:
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.thumbnail((MAX_SIDE, MAX_SIDE))
        image.save(buffer, "WEBP", quality=80)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
