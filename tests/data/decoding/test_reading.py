"""Every kind of image is converted to upright RGB by one function; an error names a damaged image."""

import io
import zlib

import numpy as np
import pytest
import torch
from fastai.torch_core import TensorImage
from PIL import Image, ImageCms, features
from PIL.PngImagePlugin import PngInfo

from data.common.errors import DataError
from data.decoding.reading import fitted, open_rgb, read_pixels
from data.loading.image_transforms import OpenImage, SquareTensor
from tests.data.pictures import photograph, png, png_header, swapped_profile

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # about the files that are damaged on purpose
PIXELS = np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]
ORIENTATIONS = {  # PIXELS as displayed for each orientation
    1: PIXELS,
    2: PIXELS[:, ::-1],
    3: PIXELS[::-1, ::-1],
    4: PIXELS[::-1],
    5: PIXELS.transpose(1, 0, 2),
    6: np.rot90(PIXELS, -1),
    7: np.rot90(PIXELS, 2).transpose(1, 0, 2),
    8: np.rot90(PIXELS),
}


def encoded(image, suffix="png", **options):
    memory = io.BytesIO()
    image.save(memory, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix), **options)
    return memory.getvalue()


def exif(orientation):
    made = Image.Exif()
    made[0x0112] = orientation
    return made.tobytes()


def seen(source, **options):
    image = open_rgb(source, **options)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_is_applied_to_every_kind_of_source(tmp_path, orientation):
    data = encoded(Image.fromarray(PIXELS), exif=exif(orientation))
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with path.open("rb") as stream:
        kinds = [path, str(path), data, bytearray(data), io.BytesIO(data), stream, Image.open(io.BytesIO(data))]
        for kind in kinds:
            np.testing.assert_array_equal(seen(kind), ORIENTATIONS[orientation])
        assert not stream.closed
    upright = open_rgb(path)
    np.testing.assert_array_equal(seen(upright), ORIENTATIONS[orientation])  # and it is not applied again


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif", "tif", "png"])
def test_exif_is_applied_in_every_format(suffix):
    if suffix in ("webp", "avif") and not features.check(suffix):
        pytest.skip(f"this Pillow reads no {suffix}")
    quarter = np.zeros((16, 32, 3), np.uint8)
    quarter[:8, :16] = 255  # above, left
    found = seen(encoded(Image.fromarray(quarter), suffix, exif=exif(6)))
    assert found.shape == (32, 16, 3)
    assert found[4, 12].min() > 200  # turned clockwise: above, right
    assert found[28, 12].max() < 50


@pytest.mark.parametrize("side", ["uint16", "float32", "float64", "bool"])
def test_arrays_of_more_than_8_bits_are_scaled_by_the_range_of_their_type(side):
    white = {"uint16": 65535, "bool": 1}.get(side, 1)
    values = (GREY.astype(np.float64) / 255 * white).round(0 if side != "float32" and white > 1 else 9).astype(side)
    expected = np.round(values.astype(np.float64) * 255 / white)[..., None].repeat(3, 2)
    for array in (values, values[..., None], values[..., None].repeat(3, 2)):
        np.testing.assert_array_equal(seen(array), expected)


def grey16():
    return (GREY.astype(np.uint16) * 257 * 0.1).astype(
        np.uint16
    )  # dark, to check that the range of an image is not stretched


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_the_8_bit_picture_and_not_white(suffix):
    found = seen(encoded(Image.fromarray(grey16()), suffix))
    np.testing.assert_array_equal(found[..., 0], np.round(grey16() / 257))
    np.testing.assert_array_equal(found, seen(Image.fromarray(grey16())))


def test_integers_floats_and_inverted_16_bits():
    integers = Image.fromarray(grey16().astype(np.int32))
    floats = Image.fromarray((grey16() / 65535).astype(np.float32))
    assert (integers.mode, floats.mode) == ("I", "F")
    expected = np.round(grey16() / 257)[..., None].repeat(3, 2)
    for image in (integers, floats, encoded(integers, "tif"), encoded(floats, "tif")):
        np.testing.assert_array_equal(seen(image), expected)
    inverted = encoded(Image.fromarray(65535 - grey16()), "tif", tiffinfo={262: 0})  # its 0 is white
    np.testing.assert_array_equal(seen(inverted), expected)


@pytest.mark.parametrize("values", [np.float32([[0, 200.0]]), np.float32([[0, np.nan]]), np.int32([[0, 70000]])])
def test_values_beyond_the_range_are_refused_and_not_clipped(values):
    with pytest.raises(
        DataError, match=r"(?s)object of type Image: not a readable image \(its values range from .* must be from 0 to"
    ):
        open_rgb(Image.fromarray(values))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3), np.int64), "shape (4, 4, 3) and type int64"),
        (np.full((4, 4), 1.5), "floats in [0, 1]"),
        (np.zeros((3, 4, 5), np.uint8), "shape (3, 4, 5)"),
        (np.zeros((0, 4, 3), np.uint8), "shape (0, 4, 3)"),
        (torch.zeros(2, 3, 4, 4), "shape (2, 3, 4, 4)"),
        (7, "object of type int: not an image; give a path, bytes, a stream, a PIL image, an array or a tensor"),
        (b"no image", "an image of 8 bytes: not a readable image"),
        (io.BytesIO(), "object of type BytesIO: not a readable image"),
    ],
)
def test_what_is_no_image_is_named(array, words):
    with pytest.raises(DataError) as caught:
        open_rgb(array)
    assert words in str(caught.value)


def test_tensors_may_have_their_channels_first_or_last():
    for tensor in (torch.tensor(PIXELS), torch.tensor(PIXELS).permute(2, 0, 1), TensorImage(torch.tensor(PIXELS))):
        np.testing.assert_array_equal(seen(tensor), PIXELS)
    np.testing.assert_array_equal(seen(torch.tensor(GREY))[..., 1], GREY)
    np.testing.assert_array_equal(seen((torch.tensor(PIXELS) / 255).permute(2, 0, 1).requires_grad_()), PIXELS)


def over_white(colour, alpha):
    share = alpha[..., None] / 255
    return colour * share + 255 * (1 - share)


def test_what_is_transparent_is_seen_over_white():
    alpha = PIXELS[..., 2]
    rgba = np.dstack([PIXELS, alpha])
    grey = np.dstack([GREY, alpha])
    for image, colour in ((rgba, PIXELS), (grey, GREY[..., None].repeat(3, 2))):
        for source in (
            image,
            Image.fromarray(image),
            encoded(Image.fromarray(image)),
            encoded(Image.fromarray(image), "tif"),
        ):
            assert abs(seen(source) - over_white(colour, alpha)).max() <= 1
    palette = Image.fromarray(np.uint8([[0, 1]]), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    np.testing.assert_array_equal(seen(encoded(palette, transparency=1)), [[[255, 0, 0], [255, 255, 255]]])
    one_colour = encoded(Image.fromarray(np.uint8([[[1, 2, 3], [4, 5, 6]]])), transparency=(1, 2, 3))
    np.testing.assert_array_equal(seen(one_colour), [[[255, 255, 255], [4, 5, 6]]])


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_other_modes_are_what_pillow_makes_of_them(mode):
    image = Image.fromarray(PIXELS).convert(mode)
    np.testing.assert_array_equal(seen(image), np.asarray(image.convert("RGB")))


def test_a_lab_image_is_seen_in_its_colours():
    lab = ImageCms.profileToProfile(
        Image.fromarray(PIXELS // 2 + 60),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert abs(seen(encoded(lab, "tif")) - (PIXELS // 2 + 60)).max() <= 6  # 8 bits of Lab


def test_colours_are_converted_by_their_profile():
    profile = swapped_profile()
    flat = np.repeat(np.uint8([[[200, 90, 40]]]), 8, 0).repeat(8, 1)
    for suffix in ("png", "jpg", "tif", "webp"):
        options = {"lossless": True} if suffix == "webp" else {"quality": 100} if suffix == "jpg" else {}
        found = seen(encoded(Image.fromarray(flat), suffix, icc_profile=profile, **options))
        assert abs(found - flat[..., ::-1]).max() <= 8  # red and blue are exchanged; gamma 2.2 is close to that of sRGB
    transparent = np.dstack([flat, np.full((8, 8), 128, np.uint8)])
    found = seen(encoded(Image.fromarray(transparent), icc_profile=profile))
    assert abs(found - over_white(flat[..., ::-1], transparent[..., 3])).max() <= 6


@pytest.mark.parametrize("profile", [b"no profile", swapped_profile()], ids=["damaged", "of another kind of image"])
def test_a_profile_that_does_not_fit_is_left_out_of_account(profile):
    image = Image.fromarray(GREY)
    np.testing.assert_array_equal(seen(encoded(image, icc_profile=profile))[..., 2], GREY)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_an_animation_the_first_frame_is_seen(suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if suffix == "webp" else {}
    found = seen(encoded(frames[0], suffix, save_all=True, append_images=frames[1:], **options))
    assert (found == [255, 0, 0]).all()


def test_heic_is_read_by_its_plug_in(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    turned = pillow_heif.from_pillow(Image.fromarray(photograph(64, 48)))
    turned.save(tmp_path / "image.heic", quality=95)
    assert abs(seen(tmp_path / "image.heic") - photograph(64, 48)).mean() < 8


def test_heic_without_its_plug_in_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.Image.registered_extensions", dict)
    (tmp_path / "image.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    with pytest.raises(DataError, match=r"image\.HEIC: .*pip install pillow-heif"):
        open_rgb(tmp_path / "image.HEIC")


# Reduced sizes of JPEG


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.fromarray(photograph(1200, 900)).save(path, quality=90, exif=exif(6))
    return path


@pytest.mark.parametrize(("size", "sides"), [(32, (113, 150)), (64, (225, 300)), (200, (450, 600)), (300, (900, 1200))])
def test_a_jpeg_is_decoded_at_a_reduced_size_of_twice_the_target_or_more(photo, size, sides):
    image = open_rgb(photo, size)
    assert image.size == sides
    assert min(image.size) >= 2 * size
    whole = fitted(open_rgb(photo), size)
    assert abs(np.asarray(fitted(image, size)).astype(int) - np.asarray(whole)).mean() < 1.5
    assert open_rgb(photo).size == (900, 1200)


def test_training_and_prediction_see_the_same_pixels(photo):
    for kind in (photo, str(photo), photo.read_bytes(), io.BytesIO(photo.read_bytes())):
        tensor = SquareTensor(64)(OpenImage(64)(kind))
        np.testing.assert_array_equal(tensor.permute(1, 2, 0).numpy(), read_pixels(photo, 64))


def test_an_open_image_of_the_users_stays_as_it_is(photo):
    own = Image.open(photo)
    open_rgb(own, 32)
    assert own.size == (1200, 900)
    assert own.getexif()[0x0112] == 6


# Damage

SHORT = zlib.compress(b"\0" * 20)  # of a picture of 432 bytes
DAMAGED = {
    "a bomb": png(png_header(60000, 60000), (b"IDAT", SHORT), (b"IEND", b"")),
    "a text chunk that is one": png(
        png_header(12, 12), (b"zTXt", b"a\0\0" + zlib.compress(bytes(70_000_000))), (b"IDAT", SHORT), (b"IEND", b"")
    ),
    "data that end early": png(png_header(12, 12), (b"IDAT", SHORT), (b"IEND", b"")),
    "a header alone": png(png_header(12, 12)),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_named_with_its_file(tmp_path, kind):
    path = tmp_path / "bad.png"
    path.write_bytes(DAMAGED[kind])
    for read in (open_rgb, lambda p: read_pixels(p, 12)):
        with pytest.raises(DataError, match=r"bad\.png: not a readable image \(.+\); replace or remove it") as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif", "gif"])
def test_whatever_the_damage_only_one_error_comes(suffix):
    if suffix in ("webp", "avif") and not features.check(suffix):
        pytest.skip(f"this Pillow reads no {suffix}")
    rng = np.random.default_rng(0)
    whole = encoded(Image.fromarray(PIXELS), suffix, **({} if suffix == "gif" else {"exif": exif(3)}))
    for _ in range(300):
        data = bytearray(whole[: rng.integers(len(whole)) if rng.random() < 0.2 else None])
        for at in rng.integers(0, max(1, len(data)), 2 * bool(data)):
            data[at] = rng.integers(256)
        try:
            open_rgb(bytes(data), 8)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017  it need not come


TURNED = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"  # the entry of an orientation
BAD_EXIF = {  # damaged EXIF data, and the orientation that can still be read
    "cut off": (b"\0\x02\x01\x12\0\x03\0\0", 1),
    "no entries": (b"", 1),
    "a width in letters": (b"\0\x02" + TURNED + b"\x01\0\0\x02\0\0\0\x04abc\0" + bytes(4), 6),  # Pillow: struct.error
    "a float for an orientation": (b"\0\x01\x01\x12\0\x0c\0\0\0\x01\0\0\0\x08" + bytes(8), 1),
}


@pytest.mark.parametrize("kind", BAD_EXIF)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_damaged_exif_alone_leaves_the_picture_readable(tmp_path, suffix, kind):
    data, orientation = BAD_EXIF[kind]
    path = tmp_path / f"image.{suffix}"
    path.write_bytes(encoded(Image.fromarray(PIXELS), suffix, exif=b"Exif\0\0MM\0*\0\0\0\x08" + data))
    with Image.open(path) as plain:
        np.testing.assert_array_equal(seen(path), np.rot90(np.asarray(plain.convert("RGB")), -(orientation // 6)))


def test_exif_that_a_png_holds_as_damaged_text_leaves_it_readable(tmp_path):
    info = PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n 8\nno hexadecimal digits")  # ValueError in Pillow
    Image.fromarray(PIXELS).save(tmp_path / "image.png", pnginfo=info)
    np.testing.assert_array_equal(seen(tmp_path / "image.png"), PIXELS)
