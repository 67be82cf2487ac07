"""The cache of decoded images and the statistics of the training images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.common.errors import DataError
from data.decoding import cache
from data.decoding.cache import load_pixels, load_stats
from data.decoding.reading import read_pixels
from data.opening import open_source

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def root(make_folder):
    return make_folder({"train/a": 5, "train/b": 4, "valid/a": 3})


def kept(home):
    return {p.suffix for p in (home / "decoded").iterdir()} - {".lock"}


def test_pixels_are_those_of_the_files_in_their_order(root, home):
    source = open_source(root)
    pixels = load_pixels(source, 12)
    files = [np.asarray(Image.open(item)) for item in [*source.train, *source.valid]]
    np.testing.assert_array_equal(pixels, np.stack(files))
    assert kept(home) == {".npy"}
    assert {p.name for p in root.iterdir()} == {"train", "valid"}


def test_a_second_start_decodes_nothing(root, monkeypatch):
    first = load_pixels(open_source(root), 12)
    monkeypatch.setattr("data.decoding.reading.read_pixels", None)
    np.testing.assert_array_equal(load_pixels(open_source(root), 12), first)


def test_a_changed_file_is_decoded_again(root, touch):
    load_pixels(open_source(root), 12)
    changed = root / "train" / "a" / "002.png"
    Image.new("RGB", (12, 12), "red").save(changed)
    touch(changed)
    source = open_source(root)
    position = [item.path for item in source.train].index(changed)
    assert (load_pixels(source, 12)[position] == [255, 0, 0]).all()


def test_a_newer_file_of_the_same_name_and_size_is_decoded_again(root, home, touch):
    load_pixels(open_source(root), 12)
    touch(root / "valid" / "a" / "000.png")
    load_pixels(open_source(root), 12)
    assert len(list((home / "decoded").glob("*.npy"))) == 2


def test_another_size_is_another_file(root):
    source = open_source(root)
    assert load_pixels(source, 12).shape == (12, 12, 12, 3)
    assert load_pixels(source, 8).shape == (12, 8, 8, 3)


@pytest.mark.parametrize("damage", [b"", b"no image", None], ids=["empty", "text", "truncated"])
def test_a_bad_file_is_named_and_leaves_nothing(root, home, damage):
    bad = root / "train" / "b" / "001.png"
    bad.write_bytes(bad.read_bytes()[:200] if damage is None else damage)
    with pytest.raises(DataError, match=r"b/001\.png: not a readable image") as caught:
        load_pixels(open_source(root), 12)
    assert "\n" not in str(caught.value)
    assert kept(home) == set()


def test_auto_keeps_up_to_its_limit(root, monkeypatch):
    source = open_source(root)
    monkeypatch.setattr(cache, "AUTO_LIMIT_BYTES", 12 * 12 * 12 * 3)
    assert load_pixels(source, 12, "auto") is not None
    assert load_pixels(source, 13, "auto") is None
    assert load_pixels(source, 13, "memory") is not None
    assert load_pixels(source, 12, "none") is None


def test_auto_keeps_half_a_gibibyte():
    assert cache.AUTO_LIMIT_BYTES == 512 * 1024**2


def test_stats_are_those_of_the_training_images_in_float64(root):
    source = open_source(root)
    stats = load_stats(source, 12, load_pixels(source, 12))
    train = np.stack([item.read(12) for item in source.train]).astype(np.float64) / 255
    np.testing.assert_allclose(stats.mean, train.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(stats.std, train.std((0, 1, 2)), rtol=1e-12)
    assert load_stats(source, 12, None) == stats  # kept beside the pixels


def test_stats_without_a_cache_come_from_training_files(root):
    source = open_source(root)
    whole = load_stats(source, 12, load_pixels(source, 12))
    other = replace(source, stamp="other")
    np.testing.assert_allclose(load_stats(other, 12, None), whole, rtol=1e-12)


def test_stats_of_one_grey_are_finite(tmp_path, make_folder):
    root = make_folder({"a": 3, "b": 3})
    for path in root.rglob("*.png"):
        Image.new("L", (12, 12), 51).save(path)
    source = open_source(root)
    stats = load_stats(source, 12, load_pixels(source, 12))
    np.testing.assert_allclose(stats.mean, 51 / 255)
    assert all(np.isfinite(stats.std))
    assert json.dumps(stats)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    Image.new(mode, (20, 10)).save(path)
    assert read_pixels(path, 8).shape == (8, 8, 3)


def test_a_photograph_is_cropped_in_its_centre_and_turned_upright(tmp_path):
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255  # the middle third
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (read_pixels(tmp_path / "wide.png", 10) == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # held sideways: shown turned by 90°
    half = np.zeros((10, 10, 3), np.uint8)
    half[:5] = 255  # the upper half, which turned clockwise is the right one
    Image.fromarray(half).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_pixels(tmp_path / "turned.png", 10)[:, 5:], 255)


def test_the_file_is_beside_the_data_and_not_in_it(root, home):
    load_pixels(open_source(root), 12)
    assert Path(home / "decoded").is_dir()
    assert not (home / "data").exists()
