"""An unreadable file is reported before the first step, or left out with `skip_bad`."""

import numpy as np
import pytest
from PIL import Image

from data import DataError, open_source
from data.decoding.decode import read_errors
from tests.data.small_loaders import dls_of

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def root(make_folder):
    return make_folder({"train/a": 8, "train/b": 8, "valid/a": 3, "valid/b": 3})


def damage(*paths):
    for path in paths:
        path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("name", ["train/a/000.png", "train/b/005.png", "valid/b/002.png"])
def test_a_bad_file_is_named_when_the_loaders_are_made(root, cache, name):
    damage(root / name)
    with pytest.raises(DataError, match=rf"{name}: not a readable image \(.*\); replace or remove it") as caught:
        dls_of(root, cache=cache)
    assert "\n" not in str(caught.value)


def test_what_can_be_done_about_it_is_said(root):
    damage(root / "train/a/003.png", root / "train/b/003.png", root / "valid/a/001.png")
    with pytest.raises(DataError, match=r"a/003\.png.*or leave such images out with `skip_bad`"):
        dls_of(root, cache="memory")
    with pytest.raises(DataError, match=r"a/003\.png.*`skip_bad` \(2 more cannot be read either\)"):
        dls_of(root, cache="none")


def test_bad_files_are_left_out_and_listed_and_the_others_stay_where_they_were(root, caplog):
    whole = open_source(root, limit=14)
    bad = [whole.train[0], whole.train[5], whole.valid[-1]]  # the very first one too
    damage(*(item.path for item in bad))
    source = open_source(root, limit=14, skip_bad=True)
    assert source.train == [item for item in whole.train if item.path not in {b.path for b in bad}]
    assert source.valid == [item for item in whole.valid if item.path not in {b.path for b in bad}]
    assert [text.split(": not a readable image")[0] for text in source.skipped] == [str(item.path) for item in bad]
    assert "3 image(s) cannot be read and are left out; the first: " in caplog.text
    assert source.fingerprint == open_source(root, limit=14, skip_bad=True).fingerprint != whole.fingerprint


def test_without_bad_files_it_changes_nothing_and_reads_once(root, monkeypatch):
    assert open_source(root, skip_bad=True) == open_source(root)
    monkeypatch.setattr("data.decoding.readable.read_errors", None)
    assert open_source(root, skip_bad=True) == open_source(root)
    dls_of(root, cache="none", skip_bad=True)


def test_a_bad_file_that_was_mended_is_back(root):
    damage(root / "train/a/003.png")
    assert len(open_source(root, skip_bad=True).train) == 15
    Image.new("RGB", (12, 12)).save(root / "train/a/003.png")
    assert len(open_source(root, skip_bad=True).train) == 16


def test_a_class_of_which_nothing_is_left_is_named(root):
    damage(*(root / "train/b").iterdir())
    with pytest.raises(DataError, match=r"no training image of b can be read \(.*b/000\.png: not a readable"):
        open_source(root, skip_bad=True)


def test_every_image_is_tried_in_any_number_of_processes(make_folder, monkeypatch):
    files = open_source(make_folder({"a": 150, "b": 100})).train
    damage(files[3].path, files[70].path, files[190].path)
    for processes in (1, 2):
        monkeypatch.setattr("data.decoding.decode.cores", lambda n=processes: n)
        assert list(read_errors(files)) == [3, 70, 190]


def test_a_colour_that_never_varies_has_the_deviation_1(make_folder, caplog):
    root = make_folder({"a": 6, "b": 6})
    for i, path in enumerate(sorted(root.rglob("*.png"))):
        pixels = np.random.default_rng(i).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        pixels[..., 1] = 77
        Image.fromarray(pixels).save(path)
    for _ in range(2):  # computed, and then from the cache
        caplog.clear()
        dls = dls_of(root)
        assert dls.stats.std[1] == 1
        assert all(0.2 < dls.stats.std[c] < 0.4 for c in (0, 2))
        x = dls.valid.one_batch()[0]
        assert x.isfinite().all()
        assert abs(x[:, 1]).max() < 1e-5
        assert [r.getMessage().rsplit(": ")[1] for r in caplog.records] == [
            "green has the same value in all pixels of the training images"
        ]
