"""Pictures with every type of pixels. Their expected appearance is given by closed forms."""

import struct
import zlib

import cv2
import numpy as np
from PIL import Image, ImageCms

from tests.data.pictures import png, png_header, swapped_profile
from tests.data.trouble.kinds import SIDE, Pictures, encoded, kind

RNG = np.random.default_rng(2026)
COLOUR = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]
ALPHA = COLOUR[..., 2]
WIDE = (
    GREY.astype(np.uint16) * 257 // 10
)  # 16 bits and dark, so that the range of the picture differs from that of its type
WIDE_SEEN = np.round(WIDE / 257)
# Four squares of 8×8, which JPEG stores nearly unchanged, and which differ in each rotation
BLOCKS = np.uint8([[[200, 60, 50], [70, 180, 60]], [[60, 70, 190], [128, 128, 128]]]).repeat(8, 0).repeat(8, 1)


def over_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.round(colour * share + 255 * (1 - share))


def scan_lines(rows: np.ndarray) -> tuple[bytes, bytes]:
    """Returns the image data of a PNG file: the bytes of each row after the filter type 0."""
    return b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))


def mode(name: str) -> str:
    """Returns the expected output of `check --json` for one picture of this mode."""
    return rf'"modes": \{{.*"{name}": 1\b'


@kind(mode("I;16"))
def grey_PNG_of_16_bits(folder: Pictures) -> None:
    folder.add("train/cat/x.png", encoded(Image.fromarray(WIDE), "PNG"), WIDE_SEEN)


@kind(mode("I;16"))
def grey_TIFF_of_16_bits(folder: Pictures) -> None:
    folder.add("train/cat/x.tif", encoded(Image.fromarray(WIDE), "TIFF"), WIDE_SEEN)


@kind(mode("I;16"))
def grey_TIFF_of_16_bits_whose_zero_is_white(folder: Pictures) -> None:
    inverted = encoded(Image.fromarray(65535 - WIDE), "TIFF", tiffinfo={262: 0})
    folder.add("train/cat/x.tif", inverted, WIDE_SEEN)


@kind(mode("I"))
def TIFF_of_32_bit_integers(folder: Pictures) -> None:
    folder.add("train/cat/x.tif", encoded(Image.fromarray(WIDE.astype(np.int32)), "TIFF"), WIDE_SEEN)


@kind(mode("F"))
def TIFF_of_floats(folder: Pictures) -> None:
    folder.add("train/cat/x.tif", encoded(Image.fromarray((WIDE / 65535).astype(np.float32)), "TIFF"), WIDE_SEEN)


@kind(r'"damaged".*x\.tif.*values range from', refused=r"x\.tif: .*must be from 0 to 1\)", skipped=True)
def floats_beyond_1(folder: Pictures) -> None:
    folder.add("train/cat/x.tif", encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"))


@kind(r'"damaged".*x\.tif.*values range from', refused=r"x\.tif: .*must be from 0 to 65535", skipped=True)
def integers_beyond_16_bits(folder: Pictures) -> None:
    folder.add("train/cat/x.tif", encoded(Image.fromarray(GREY.astype(np.int32) * 70_000), "TIFF"))


@kind(r'"images": 9\b.*"modes": \{"RGB": 9\}')  # Pillow reads it as RGB, of which it keeps the upper 8 bits
def colour_PNG_of_16_bits(folder: Pictures) -> None:
    data = png(png_header(SIDE, SIDE, 16), scan_lines((COLOUR.astype(">u2") * 257).reshape(SIDE, -1)), (b"IEND", b""))
    folder.add("train/cat/x.png", data, COLOUR)


@kind(r'"TIFF": 1\b')
def colour_TIFF_of_16_bits(folder: Pictures) -> None:
    data = cv2.imencode(".tiff", COLOUR[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    folder.add("train/cat/x.tif", data, COLOUR)


def palette() -> Image.Image:
    """The picture is half red, which is index 0, and half blue, which is index 1."""
    image = Image.fromarray((GREY > 127).astype(np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    return image


RED_AND_BLUE = np.where((GREY > 127)[..., None], [0, 0, 255], [255, 0, 0])


@kind(mode("P"))
def palette_PNG(folder: Pictures) -> None:
    folder.add("train/cat/x.png", encoded(palette(), "PNG"), RED_AND_BLUE)


@kind(mode("P") + r'.*"transparent": 1\b')
def palette_with_a_transparent_colour(folder: Pictures) -> None:
    seen = np.where((GREY > 127)[..., None], 255, RED_AND_BLUE)
    folder.add("train/cat/x.png", encoded(palette(), "PNG", transparency=1), seen)


@kind(mode("P") + r'.*"transparent": 1\b')
def palette_of_half_transparent_colours(folder: Pictures) -> None:
    seen = over_white(RED_AND_BLUE, np.where(GREY > 127, 64, 255))
    folder.add("train/cat/x.png", encoded(palette(), "PNG", transparency=b"\xff\x40"), seen, 1)


@kind(r'"GIF": 1\b.*"transparent": 1\b')
def GIF_with_a_transparent_colour(folder: Pictures) -> None:
    seen = np.where((GREY > 127)[..., None], 255, RED_AND_BLUE)
    folder.add("train/cat/x.gif", encoded(palette(), "GIF", transparency=1), seen)


@kind(mode("RGBA") + r'.*"transparent": 1\b')
def PNG_with_alpha(folder: Pictures) -> None:
    image = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    folder.add("train/cat/x.png", encoded(image, "PNG"), over_white(COLOUR, ALPHA), 1)


@kind(mode("RGBA") + r'.*"transparent": 1\b')
def WebP_with_alpha(folder: Pictures) -> None:
    image = Image.fromarray(np.dstack([COLOUR, ALPHA]))
    data = encoded(image, "WEBP", lossless=True, exact=True)
    folder.add("train/cat/x.webp", data, over_white(COLOUR, ALPHA), 1)


@kind(mode("LA") + r'.*"transparent": 1\b')
def grey_PNG_with_alpha(folder: Pictures) -> None:
    seen = over_white(GREY[..., None].repeat(3, 2), ALPHA)
    folder.add("train/cat/x.png", encoded(Image.fromarray(np.dstack([GREY, ALPHA])), "PNG"), seen, 1)


@kind(r'"transparent": 1\b')
def PNG_with_one_transparent_colour(folder: Pictures) -> None:
    pixels = COLOUR.copy()
    pixels[:8] = 1, 2, 3
    seen = pixels.copy()
    seen[:8] = 255
    folder.add("train/cat/x.png", encoded(Image.fromarray(pixels), "PNG", transparency=(1, 2, 3)), seen)


@kind(mode("1"))
def PNG_of_one_bit(folder: Pictures) -> None:
    folder.add("train/cat/x.png", encoded(Image.fromarray(GREY > 127), "PNG"), np.where(GREY > 127, 255, 0))


@kind(mode("L"))
def PNG_of_two_bits(folder: Pictures) -> None:
    levels = GREY // 64
    packed = levels[:, 0::4] << 6 | levels[:, 1::4] << 4 | levels[:, 2::4] << 2 | levels[:, 3::4]
    data = png(png_header(SIDE, SIDE, 2, 0), scan_lines(packed), (b"IEND", b""))
    folder.add("train/cat/x.png", data, levels * 85)


def cmyk() -> tuple[Image.Image, np.ndarray]:
    """Returns a picture in CMYK, and its RGB colours for ideal inks."""
    inks = np.uint8([[[0, 200, 180, 20], [150, 0, 160, 40]], [[180, 150, 0, 0], [0, 0, 0, 120]]]).repeat(8, 0)
    inks = inks.repeat(8, 1)
    share = 1 - inks / 255
    return Image.fromarray(inks, "CMYK"), np.round(255 * share[..., :3] * share[..., 3:])


@kind(mode("CMYK"))
def CMYK_JPEG_of_Photoshop(folder: Pictures) -> None:
    image, seen = cmyk()
    data = encoded(image, "JPEG", quality=98)  # with the marker of Adobe, which means that the values are inverted
    assert b"Adobe" in data
    folder.add("train/cat/x.jpg", data, seen, 6)


@kind(mode("CMYK"))
def CMYK_JPEG_without_the_marker_of_Photoshop(folder: Pictures) -> None:
    """Its values are read as inverted, as browsers do."""
    image, seen = cmyk()
    data = encoded(image, "JPEG", quality=98)
    start = data.index(b"\xff\xee")
    (length,) = struct.unpack_from(">H", data, start + 2)
    folder.add("train/cat/x.jpg", data[:start] + data[start + 2 + length :], seen, 6)


@kind(mode("CMYK"))
def CMYK_TIFF(folder: Pictures) -> None:
    image, seen = cmyk()
    folder.add("train/cat/x.tif", encoded(image, "TIFF"), seen, 2)


@kind(mode("LAB"))
def LAB_TIFF(folder: Pictures) -> None:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(BLOCKS), *profiles, outputMode="LAB")
    folder.add("train/cat/x.tif", encoded(image, "TIFF"), BLOCKS, 8)


@kind(r'"profiles": 1\b')
def PNG_with_a_colour_profile_of_other_primaries(folder: Pictures) -> None:
    data = encoded(Image.fromarray(BLOCKS), "PNG", icc_profile=swapped_profile())
    folder.add("train/cat/x.png", data, BLOCKS[..., ::-1], 8)  # gamma 2.2 differs slightly from that of sRGB


@kind(r'"profiles": 1\b')
def JPEG_with_a_colour_profile_of_other_primaries(folder: Pictures) -> None:
    data = encoded(Image.fromarray(BLOCKS), "JPEG", quality=98, subsampling=0, icc_profile=swapped_profile())
    folder.add("train/cat/x.jpg", data, BLOCKS[..., ::-1], 12)


@kind(r'"profiles": 1\b')
def a_colour_profile_that_is_damaged(folder: Pictures) -> None:
    folder.add("train/cat/x.png", encoded(Image.fromarray(COLOUR), "PNG", icc_profile=b"no profile"), COLOUR)
