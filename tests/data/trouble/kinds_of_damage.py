"""Files that are damaged, or are not pictures in spite of their suffix."""

import zlib

from PIL import Image

from tests.data.pictures import png, png_header
from tests.data.trouble.kinds import SIDE, Pictures, encoded, kind, png_of
from tests.data.trouble.kinds_of_formats import HAS_AVIF, stored
from tests.data.trouble.kinds_of_pixels import COLOUR, scan_lines

SHORT = zlib.compress(b"\0" * 20)  # fewer bytes than the 784 of the picture
END = (b"IEND", b"")


def bad(name: str, path: str, content: bytes, found: str) -> None:
    """Register a kind of unreadable file.

    Args:
        found: the finding of `check`, by its kind.
    """

    @kind(
        rf'"{found}".*{path}', name=name, refused=rf"{path}: .+; replace or remove it|install pillow-heif", skipped=True
    )
    def make(folder: Pictures) -> None:
        folder.add(f"train/cat/{path}", content)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    """Returns the data with one changed byte in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x55]) + data[middle + 1 :]


BOMB = png(png_header(60000, 60000), (b"IDAT", SHORT), END)
TEXT_BOMB = png(png_header(SIDE, SIDE), (b"zTXt", b"a\0\0" + zlib.compress(bytes(70_000_000))), scan_lines(COLOUR), END)
NO_WIDTH = png(png_header(0, SIDE), (b"IDAT", SHORT), END)
SHORT_DATA = png(png_header(SIDE, SIDE), (b"IDAT", SHORT), END)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

bad("an empty file", "x.jpg", b"", "empty")
bad("text with the name of a picture", "x.jpg", b"see the other folder\n" * 9, "no-image")
bad("a page of HTML with the name of a picture", "x.png", b"<!DOCTYPE html><title>404</title>" * 9, "no-image")
bad("a drawing in SVG with the name of a picture", "x.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no-image")
bad("a pointer of Git LFS", "x.jpg", POINTER, "no-image")
bad("zeros", "x.jpg", bytes(5000), "no-image")
bad("a HEIC header without a picture", "x.HEIC", b"\0\0\0\x18ftypheic" + bytes(40), "no-image")
bad("a decompression bomb", "x.png", BOMB, "no-image")
bad("a text chunk that is a decompression bomb", "x.png", TEXT_BOMB, "(no-image|damaged)")
bad("a PNG without width", "x.png", NO_WIDTH, "(no-image|damaged)")
bad("a PNG whose data ends early", "x.png", SHORT_DATA, "damaged")
bad("a PNG that is cut off", "x.png", half(png_of(COLOUR)), "damaged")
bad("a PNG with a wrong byte", "x.png", flipped(png_of(COLOUR)), "damaged")
bad("a JPEG that is cut off", "x.jpg", half(stored("JPEG", COLOUR)), "damaged")
bad("a WebP that is cut off", "x.webp", half(stored("WEBP", COLOUR)), "(no-image|damaged)")
bad("a GIF that is cut off", "x.gif", encoded(Image.fromarray(COLOUR), "GIF")[:900], "damaged")
bad("a TIFF that is cut off", "x.tif", half(stored("TIFF", COLOUR)), "(no-image|damaged)")
bad("a BMP that is cut off", "x.bmp", half(stored("BMP", COLOUR)), "damaged")
if HAS_AVIF:
    bad("an AVIF that is cut off", "x.avif", half(stored("AVIF", COLOUR)), "(no-image|damaged)")
    bad("an AVIF whose pixels are noise", "x.avif", stored("AVIF", COLOUR)[:350] + bytes(400), "(no-image|damaged)")


@kind(r'"empty".*one', refused=r"one\\nname\\nof\\nlines\.png: not a readable image", skipped=True)
def an_empty_file_with_line_breaks_in_its_name(folder: Pictures) -> None:
    folder.add("train/cat/one\nname\nof\nlines.png", b"")


@kind(r'"damaged".*000\d\.png.*000\d\.png', refused=r"0000\.png: .*replace or remove it")
def a_set_of_which_nothing_can_be_read(folder: Pictures) -> None:
    for path in folder.root.rglob("*.png"):
        path.write_bytes(half(path.read_bytes()))


@kind(r'"images": 9\b')
def a_text_chunk_that_cannot_be_read(folder: Pictures) -> None:
    """Damage outside of the pixels does not prevent reading the picture."""
    text = b"iTXt", b"Title\0\x01\x00en\0\0" + b"no zlib stream"
    data = png(png_header(SIDE, SIDE), text, scan_lines(COLOUR.reshape(SIDE, -1)), END)
    folder.add("train/cat/x.png", data, COLOUR)


@kind(r'"images": 9\b')
def bytes_behind_the_end_of_a_picture(folder: Pictures) -> None:
    folder.add("train/cat/x.png", png_of(COLOUR) + b"appended by a camera" * 9, COLOUR)
