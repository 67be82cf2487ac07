"""Examine one image: the facts in the header of its file, and features that identify duplicates."""

import hashlib
import os
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import ExifTags, Image

from data.common.errors import DataError
from data.decoding.rgb import DECODE_ERRORS
from data.items import ImageItem

THUMBNAIL_SIDE = 16  # pixels; side of the grey thumbnail by which near duplicates are verified


class Facts(NamedTuple):
    """Facts about an image file that are known without its pixels.

    Attributes:
        bytes: size of the file; 0 if the item is not a file.
        format: format of the content, by its name in Pillow; empty if Pillow does not recognise an image.
        mode: Pillow mode of the stored image, such as RGB, L, P or I;16.
        width: width of the stored image, in pixels.
        height: height of the stored image, in pixels.
        orientation: EXIF orientation; 1 is upright.
        profile: whether the file contains a colour profile.
        transparent: whether parts of the image may be transparent.
        frames: number of frames, more than one for an animation, of which the first is used.
        reason: why the image cannot be read; empty if it can.
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
    """Features of an image that identify its duplicates.

    Attributes:
        digest: 16-byte digest of its size and its upright RGB pixels.
        phash: perceptual hash of 64 bits, from `imagehash.phash`.
        thumb: grey thumbnail, 16×16, uint8.
        extremes: lowest and highest value of each channel, 3×2, uint8.
    """

    digest: bytes
    phash: np.uint64
    thumb: np.ndarray
    extremes: np.ndarray


def examine(item: ImageItem) -> tuple[Facts, ImageFeatures | None]:
    """Returns the facts of one image, and its features, or None if it cannot be read."""
    facts = _header(os.fspath(item)) if isinstance(item, os.PathLike) else Facts()
    try:
        return facts, image_features(item.open())
    except DataError as error:
        return facts._replace(reason=_reason(error)), None


def image_features(image: Image.Image) -> ImageFeatures:
    """Returns the features of an RGB image."""
    grey = image.convert("L")
    digest = hashlib.blake2b(str(image.size).encode() + image.tobytes(), digest_size=16).digest()
    bits = imagehash.phash(grey).hash
    thumb = np.asarray(grey.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX))
    return ImageFeatures(digest, np.packbits(bits).view(np.uint64)[0], thumb, np.array(image.getextrema(), np.uint8))


def _header(path: str) -> Facts:
    """Returns the facts in the header of a file. Damaged pixels are found later, when they are read."""
    facts = Facts(bytes=os.path.getsize(path) if os.path.exists(path) else 0)
    try:
        with Image.open(path) as image:
            facts = facts._replace(format=image.format or "", mode=image.mode, width=image.width, height=image.height)
            facts = facts._replace(profile="icc_profile" in image.info, transparent=image.has_transparency_data)
            facts = facts._replace(frames=getattr(image, "n_frames", 1))
            if "exif" not in image.info and image.format != "TIFF":  # Pillow would decode a whole PNG file to find it
                return facts
            return facts._replace(orientation=image.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODE_ERRORS:
        return facts


def _reason(error: DataError) -> str:
    """Returns the message of the decoder without the path, which `check` prints beside it."""
    cause = error.__cause__ or error
    return str(cause).split(" '")[0] or type(cause).__name__
