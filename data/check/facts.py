"""What one file tells of itself: its format, its pixels, and how it is recognised again."""

import hashlib
import os
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import ExifTags, Image

from data.common.errors import DataError
from data.items import ImageItem
from data.rgb import DECODE_ERRORS

THUMBNAIL_SIDE = 16  # pixels, the side of the small grey picture by which near duplicates are verified


class Facts(NamedTuple):
    """What `check` knows of a file without its pixels.

    Attributes:
        bytes: its length; 0 where the item is no file.
        format: of its content, as Pillow names it; empty where the content is no image that Pillow knows.
        mode: as stored: RGB, L, P, I;16.
        width, height: as stored, in pixels.
        orientation: of its EXIF; 1 is upright.
        profile: whether it has a colour profile.
        transparent: whether some of it may be transparent.
        frames: more than one in an animation, of which the first counts.
        reason: why it cannot be read; empty where it can.
    """

    bytes: int = 0
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 1
    profile: bool = False
    transparent: bool = False
    frames: int = 1
    reason: str = ""


class ImageFeatures(NamedTuple):
    """By what an image is recognised again.

    Attributes:
        digest: 16 bytes, of its size and its pixels as RGB, upright.
        phash: 64 bits of `imagehash.phash`.
        thumb: 16×16, uint8, grey.
        extremes: the lowest and the highest value of each channel, 3×2.
    """

    digest: bytes
    phash: np.uint64
    thumb: np.ndarray
    extremes: np.ndarray


def examine(item: ImageItem) -> tuple[Facts, ImageFeatures | None]:
    """The facts of one image, and its image_features where it can be read."""
    facts = _header(os.fspath(item)) if isinstance(item, os.PathLike) else Facts()
    try:
        return facts, image_features(item.open())
    except DataError as error:
        return facts._replace(reason=_reason(error)), None


def image_features(image: Image.Image) -> ImageFeatures:
    """The image_features of an RGB image."""
    grey = image.convert("L")
    digest = hashlib.blake2b(str(image.size).encode() + image.tobytes(), digest_size=16).digest()
    bits = imagehash.phash(grey).hash
    thumb = np.asarray(grey.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX))
    return ImageFeatures(digest, np.packbits(bits).view(np.uint64)[0], thumb, np.array(image.getextrema(), np.uint8))


def _header(path: str) -> Facts:
    """What the first bytes of a file tell; `DataError`s of its pixels are for whoever reads those."""
    facts = Facts(bytes=os.path.getsize(path) if os.path.exists(path) else 0)
    try:
        with Image.open(path) as image:
            facts = facts._replace(format=image.format or "", mode=image.mode, width=image.width, height=image.height)
            facts = facts._replace(profile="icc_profile" in image.info, transparent=image.has_transparency_data)
            facts = facts._replace(frames=getattr(image, "n_frames", 1))
            if (
                "exif" not in image.info and image.format != "TIFF"
            ):  # Pillow would decode a PNG to image_features for it
                return facts
            return facts._replace(orientation=image.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODE_ERRORS:
        return facts


def _reason(error: DataError) -> str:
    """Why a file cannot be read, in the words of its reader and without the path once more."""
    cause = error.__cause__ or error
    return str(cause).split(" '")[0] or type(cause).__name__
