"""Images within a page, as data URIs."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

LARGEST = 160  # pixels: the side of an image in the page, at the most
EXACT = 64  # pixels: smaller images are kept to the byte, because compression would be seen in them


def data_uri(pixels: np.ndarray) -> str:
    """An image H×W×3, uint8, as the `src` of an `<img>`: PNG where it is small, or else WebP of at most 160 pixels."""
    image, buffer = Image.fromarray(pixels), BytesIO()
    if max(image.size) <= EXACT:
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.thumbnail((LARGEST, LARGEST))
        image.save(buffer, "WEBP", quality=80)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
