"""Pictures that are rotated, animated or in a rare format."""

import numpy as np
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from tests.data.trouble.kinds import SIDE, Pictures, encoded, kind, png_of
from tests.data.trouble.kinds_of_pixels import BLOCKS, COLOUR

TURNED = {  # BLOCKS as displayed for each EXIF orientation
    2: BLOCKS[:, ::-1],
    3: BLOCKS[::-1, ::-1],
    4: BLOCKS[::-1],
    5: BLOCKS.transpose(1, 0, 2),
    6: np.rot90(BLOCKS, -1),
    7: np.rot90(BLOCKS, 2).transpose(1, 0, 2),
    8: np.rot90(BLOCKS),
}
OPTIONS = {
    "JPEG": {"quality": 98, "subsampling": 0},
    "AVIF": {"quality": 98, "subsampling": "4:4:4"},
    "WEBP": {"lossless": True},
}
TOLERANCE = {"JPEG": 4, "AVIF": 12}
HAS_AVIF = features.check("avif")


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[0x0112] = orientation
    return made.tobytes()


def stored(form: str, pixels: np.ndarray, **options: object) -> bytes:
    return encoded(Image.fromarray(pixels), form, **OPTIONS.get(form, {}) | options)


def turned(form: str, orientation: int) -> None:
    """Register rotated pictures of this format."""

    @kind(rf'"orientations": \{{[^}}]*"{orientation}": 1\b', name=f"{form} of EXIF orientation {orientation}")
    def make(folder: Pictures) -> None:
        data = stored(form, BLOCKS, exif=exif(orientation))
        folder.add(f"train/cat/x.{form.lower()}", data, TURNED[orientation], TOLERANCE.get(form, 0))


for number in TURNED:
    turned("JPEG", number)
for form in ("PNG", "WEBP", "TIFF", *(["AVIF"] if HAS_AVIF else [])):
    turned(form, 6)


def frames(form: str, suffix: str) -> None:
    """Register files of this format with several pictures, the first of which is red."""

    @kind(r'"animated".*x\.\w+"\], "note": "3 frames"', name=f"{form} of several frames")
    def make(folder: Pictures) -> None:
        red, green, blue = (Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "lime", "blue"))
        data = encoded(red, form, save_all=True, append_images=[green, blue], **OPTIONS.get(form, {}))
        folder.add(f"train/cat/x.{suffix}", data, np.uint8([[[255, 0, 0]]]).repeat(SIDE, 0).repeat(SIDE, 1))


for form, suffix in {"GIF": "gif", "WEBP": "webp", "PNG": "png", "TIFF": "tif"}.items():
    frames(form, suffix)


def plain(form: str, suffix: str) -> None:
    """Register plain pictures of this format."""

    @kind(rf'"formats": \{{.*"{form}": 1\b', name=f"{form} among PNG files")
    def make(folder: Pictures) -> None:
        exact = form not in TOLERANCE
        folder.add(f"train/cat/x.{suffix}", stored(form, COLOUR if exact else BLOCKS), COLOUR if exact else BLOCKS, 12)


for form, suffix in {
    "JPEG": "JPG",
    "WEBP": "webp",
    "BMP": "bmp",
    "TGA": "tga",
    "PPM": "ppm",
    "JPEG2000": "jp2",
}.items():
    plain(form, suffix)
if HAS_AVIF:
    plain("AVIF", "avif")


@kind(r'"misnamed".*x\.jpg"\], "note": "PNG inside"')
def a_PNG_that_is_called_jpg(folder: Pictures) -> None:
    folder.add("train/cat/x.jpg", png_of(COLOUR), COLOUR)


@kind(r'"shape".*x\.png"\], "note": "16×64"')
def a_picture_four_times_as_high_as_wide(folder: Pictures) -> None:
    tall = np.random.default_rng(1).integers(0, 256, (64, SIDE, 3), dtype=np.uint8)
    folder.add("train/cat/x.png", png_of(tall), tall[24:40])


@kind(r'"shape".*x\.png"\], "note": "1×1"')
def a_picture_of_one_pixel(folder: Pictures) -> None:
    folder.add(
        "train/cat/x.png", png_of(np.uint8([[[9, 8, 7]]])), np.uint8([[[9, 8, 7]]]).repeat(SIDE, 0).repeat(SIDE, 1)
    )


@kind(r'"sizes": \{.*"32×32": 1\b')
def a_picture_of_twice_the_size(folder: Pictures) -> None:
    folder.add("train/cat/x.png", png_of(np.full((32, 32, 3), 77, np.uint8)), np.full((SIDE, SIDE), 77))


@kind(r'"flat-channel".*"blue"\], "note": "100 in every pixel', usual=False)
def a_set_whose_blue_never_varies(folder: Pictures) -> None:
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        pixels[..., 2] = 100
        path = f"{'train' if number < 6 else 'valid'}/{'cat' if number % 2 else 'dog'}/{number}.png"
        folder.add(path, png_of(pixels), pixels)


BAD_EXIF = {  # Pillow raises a struct.error for the width in letters, and a TypeError for the float
    "with letters for a width": (b"\0\2\x01\x12\0\3\0\0\0\1\0\6\0\0\1\0\0\2\0\0\0\4abc\0" + bytes(4), 6),
    "with a float for the orientation": (b"\0\1\x01\x12\0\x0c\0\0\0\1\0\0\0\x08" + bytes(8), 1),
    "that is cut off": (b"\0\2\x01\x12\0\3\0\0", 1),
}


def damaged_exif(words: str, entries: bytes, orientation: int) -> None:
    """Register pictures with damaged EXIF data, whose orientation is applied if it can be read."""

    @kind(r'"images": 9\b.*"JPEG": 1\b', name=f"EXIF data {words}")
    def make(folder: Pictures) -> None:
        data = stored("JPEG", BLOCKS, exif=b"Exif\0\0MM\0*\0\0\0\x08" + entries)
        folder.add("train/cat/x.jpg", data, TURNED.get(orientation, BLOCKS), 4)


for words, (entries, orientation) in BAD_EXIF.items():
    damaged_exif(words, entries, orientation)


@kind(r'"images": 9\b')
def EXIF_data_as_text_that_is_no_number(folder: Pictures) -> None:
    info = PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n 8\nno hexadecimal digits")  # a ValueError in Pillow
    folder.add("train/cat/x.png", encoded(Image.fromarray(COLOUR), "PNG", pnginfo=info), COLOUR)
