"""A picture as a person sees it: any mode of Pillow to upright RGB with 8 bits a channel, in the colours of sRGB."""

import io
import struct
import zlib

import numpy as np
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

# What the readers of Pillow and of its plug-ins raise for damaged bytes. They parse without checking first, so a
# damaged file may break any of their operations.
DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error, Image.DecompressionBombError),
)
WHITE = {"I;16": 65535, "I;16L": 65535, "I;16B": 65535, "I;16N": 65535, "I": 65535, "F": 1}  # of modes above 8 bits
TURNS = {  # of each EXIF orientation
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
    """A new image: RGB, 8 bits, upright, over white where it is transparent, converted to sRGB by its ICC profile.

    Grey images of more bits are scaled by the range of their type, the same for every image: 0…65535 for integers,
    0…1 for floats. EXIF data or a colour profile that cannot be read are left out of account, as viewers do.

    Raises:
        ValueError: integers or floats beyond that range.
        Exception: one of `DAMAGE`, where the pixels cannot be decoded.
    """
    image.load()
    turn, profile = TURNS.get(_orientation(image)), image.info.get("icc_profile")
    seen = _over_white(_eight_bits(image) if image.mode in WHITE else image, profile)
    if turn is not None:
        seen = seen.transpose(turn)
    seen.info = {}  # the orientation is not to be applied once more
    return seen


def to_bytes(values: np.ndarray, white: float) -> np.ndarray:
    """Values from 0 to `white` as uint8 from 0 to 255, rounded.

    Raises:
        ValueError: values below 0 or above `white`, or NaN.
    """
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):
        raise ValueError(f"its values reach from {low:g} to {high:g}, but such an image must keep within 0 and {white}")
    return np.round(values.astype(np.float32) * np.float32(255 / white)).astype(np.uint8)


def _eight_bits(image: Image.Image) -> Image.Image:
    pixels = to_bytes(np.asarray(image), WHITE[image.mode])
    inverted = getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0  # a TIFF whose 0 is white, which Pillow leaves so
    return Image.fromarray(255 - pixels if inverted else pixels)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except DAMAGE:
        return 1


def _over_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not image.has_transparency_data:
        return _in_srgb(image, profile)
    alpha = image.convert("RGBA" if image.mode != "La" else "LA").getchannel("A")
    opaque = image.convert("LA").getchannel("L") if image.mode in ("LA", "La") else image.convert("RGBA").convert("RGB")
    white = Image.new("RGB", image.size, "white")
    white.paste(_in_srgb(opaque, profile), mask=alpha)
    return white


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An opaque image as RGB in sRGB. A profile that is damaged, or made for another kind of image, is not applied."""
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
