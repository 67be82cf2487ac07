"""Convert images of any Pillow mode to upright 8-bit RGB in the sRGB colour space."""

import io
import struct
import zlib

import numpy as np
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

# Exceptions that Pillow and its plug-ins raise for damaged files. They parse a file without validating it first, so
# almost any of their operations may fail.
DECODE_ERRORS = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error, Image.DecompressionBombError),
)
WHITE_LEVELS = {
    "I;16": 65535,
    "I;16L": 65535,
    "I;16B": 65535,
    "I;16N": 65535,
    "I": 65535,
    "F": 1,
}  # value of white for each mode of more than 8 bits
ORIENTATION_TRANSPOSES = {  # operation that turns an image of each EXIF orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PHOTOMETRIC = TiffImagePlugin.PHOTOMETRIC_INTERPRETATION
SRGB, LAB = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")


def as_seen(image: Image.Image) -> Image.Image:
    """Returns a new 8-bit RGB image: upright, in sRGB by its ICC profile, and on white where it is transparent.

    Grey images of more than 8 bits are scaled by the range of their type, which is the same for every image: 0 to 65535
    for integers, 0 to 1 for floats. EXIF data or a colour profile that cannot be read are ignored, as viewers do.

    Raises:
        ValueError: values are outside of that range.
        Exception: one of `DECODE_ERRORS`; the pixels cannot be decoded.
    """
    image.load()
    turn, profile = ORIENTATION_TRANSPOSES.get(_orientation(image)), image.info.get("icc_profile")
    seen = _over_white(_eight_bits(image) if image.mode in WHITE_LEVELS else image, profile)
    if turn is not None:
        seen = seen.transpose(turn)
    seen.info = {}  # without the orientation, which would be applied again
    return seen


def to_bytes(values: np.ndarray, white: float) -> np.ndarray:
    """Returns values from 0 to `white` as uint8 from 0 to 255, rounded.

    Raises:
        ValueError: a value is below 0, above `white` or NaN.
    """
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):
        raise ValueError(f"its values range from {low:g} to {high:g}, but must be from 0 to {white}")
    return np.round(values.astype(np.float32) * np.float32(255 / white)).astype(np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Returns an 8-bit grey image for one of a mode in `WHITE_LEVELS`."""
    pixels = to_bytes(np.asarray(image), WHITE_LEVELS[image.mode])
    inverted = (
        getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0
    )  # a TIFF file in which 0 is white, which Pillow does not invert
    return Image.fromarray(255 - pixels if inverted else pixels)


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation of an image; 1 is upright."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except DECODE_ERRORS:
        return 1


def _over_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Returns an RGB image in sRGB, with white behind its transparent parts."""
    if not image.has_transparency_data:
        return _in_srgb(image, profile)
    alpha = image.convert("RGBA" if image.mode != "La" else "LA").getchannel("A")
    opaque = image.convert("LA").getchannel("L") if image.mode in ("LA", "La") else image.convert("RGBA").convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(_in_srgb(opaque, profile), mask=alpha)
    return white


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Returns an opaque image as RGB in sRGB. A profile that is damaged or does not fit the mode is ignored."""
    source = LAB if image.mode == "LAB" else io.BytesIO(profile) if profile else None
    if source is None:
        return image.convert("RGB")
    if image.mode not in ("L", "CMYK", "LAB"):
        image = image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
    except ImageCms.PyCMSError:
        return image.convert("RGB")
    assert converted is not None  # it is None only where an image is changed in place
    return converted
