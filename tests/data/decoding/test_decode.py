"""Decoded pixels equal those of Pillow, byte for byte, in one process and in several."""

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data.common.errors import DataError
from data.decoding import decode as module
from data.decoding.decode import decode
from data.decoding.plain_png import plain_png
from data.decoding.reading import fitted, read_pixels
from data.sources.folder import list_splits


def random_image(mode, size=(12, 12)):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (*size, 4), dtype=np.uint8), "RGBA").convert(mode)


def exif_turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif}


def with_gamma():
    info = PngInfo()
    info.add(b"gAMA", (45455).to_bytes(4))
    return {"pnginfo": info}


PNGS = {  # mode, further arguments of `save`, and whether the file is a plain PNG
    "RGB": ("RGB", dict, True),
    "grey": ("L", dict, True),
    "RGB, strongly packed": ("RGB", lambda: {"compress_level": 9, "optimize": True}, True),
    "palette": ("P", dict, False),
    "alpha": ("RGBA", dict, False),
    "grey and alpha": ("LA", dict, False),
    "one bit": ("1", dict, False),
    "a transparent colour": ("RGB", lambda: {"transparency": (1, 2, 3)}, False),
    "orientation": ("RGB", exif_turned, False),
    "gamma": ("RGB", with_gamma, False),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_png_of_any_kind_is_what_pillow_reads(tmp_path, name):
    mode, options, plain = PNGS[name]
    path = tmp_path / "image.png"
    random_image(mode).save(path, **options())
    assert (plain_png(path, 12) is not None) == plain
    with Image.open(path) as image:
        white = Image.new("RGBA", image.size, "white")
        expected = np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))
    if name == "orientation":
        expected = np.rot90(expected, -1)
    np.testing.assert_array_equal(read_pixels(path, 12), expected)


@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 3)], ids=["grey", "RGB"])
def test_16_bits_are_read_by_pillow(tmp_path, shape):
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 2**16, shape, dtype=np.uint16))
    assert plain_png(path, 12) is None
    expected = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    expected = expected[..., ::-1] if len(shape) == 3 else expected[..., None].repeat(3, 2)
    assert abs(read_pixels(path, 12) - expected / 257).max() < 1


def test_other_formats_and_sizes_are_read_by_pillow(tmp_path):
    image = random_image("RGB", (40, 20))
    image.save(tmp_path / "image.jpg", quality=80)
    image.save(tmp_path / "image.png")
    for path in (tmp_path / "image.jpg", tmp_path / "image.png"):
        with Image.open(path) as opened:
            expected = fitted(opened.convert("RGB"), 16)
        np.testing.assert_array_equal(read_pixels(path, 16), np.asarray(expected))


def test_no_damage_goes_unseen(tmp_path):
    """For each changed byte and each truncation, the file is left to Pillow or the pixels are unchanged."""
    path = tmp_path / "image.png"
    random_image("RGB", (8, 8)).save(path)
    whole = path.read_bytes()
    for i in range(len(whole)):
        for damaged in (whole[:i], whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :]):
            path.write_bytes(damaged)
            assert plain_png(path, 12) is None, i


def listed(root):
    return list_splits(root).train


@pytest.fixture
def mapped(tmp_path):
    return lambda n: np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.uint8, (n, 12, 12, 3))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_any_number_of_processes_decodes_the_same(make_folder, mapped, monkeypatch, processes):
    monkeypatch.setattr(module, "cores", lambda: processes)
    files = listed(make_folder({"a": 150, "b": 100}))
    out = mapped(250)
    decode(files, out)
    np.testing.assert_array_equal(out, np.stack([np.asarray(Image.open(path)) for path in files]))


def test_a_bad_file_is_named_from_a_process_too(make_folder, mapped, monkeypatch):
    monkeypatch.setattr(module, "cores", lambda: 2)
    files = listed(make_folder({"a": 200}))
    files[130].path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a/130\.png: not a readable image") as caught:
        decode(files, mapped(200))
    assert "\n" not in str(caught.value)
