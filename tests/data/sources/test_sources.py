"""Opening sources: splits, limits, holdout, fingerprints and error messages."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from data.common.errors import DataError
from data.opening import open_source

pytestmark = pytest.mark.usefixtures("home")


def labels(items):
    return Counter(item.label for item in items)


def test_train_and_valid_are_matched_by_name(make_folder):
    root = make_folder({"train/cat": 3, "train/ant": 2, "train/bee": 2, "test/cat": 2})
    source = open_source(root)
    assert source.classes == ["ant", "bee", "cat"]
    assert (labels(source.train), labels(source.valid)) == ({"cat": 3, "ant": 2, "bee": 2}, {"cat": 2})
    assert (source.size, source.mirror) == (12, "alternate")


@pytest.mark.parametrize("name", ["valid", "val", "test"])
def test_the_validation_folder_has_three_names(make_folder, name):
    source = open_source(make_folder({"train/a": 2, "train/b": 2, f"{name}/b": 2}))
    assert {item.path.parent.parent.name for item in source.valid} == {name}


@pytest.mark.parametrize("prefix", ["", "train/"])
def test_one_folder_of_classes_is_split_by_the_seed(make_folder, prefix):
    root = make_folder({f"{prefix}many": 50, f"{prefix}few": 10, f"{prefix}two": 2, f"{prefix}one": 1})
    source = open_source(root, seed=1)
    assert labels(source.valid) == {"many": 10, "few": 2, "two": 1}
    assert labels(source.train) == {"many": 40, "few": 8, "two": 1, "one": 1}
    assert not set(source.train) & set(source.valid)
    assert open_source(root, seed=1) == source
    assert set(open_source(root, seed=2).valid) != set(source.valid)


def test_only_images_are_listed(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "train/.cache": 2, "valid/a": 1})
    for name in (".hidden.png", "notes.txt", "png"):
        (root / "train" / "a" / name).write_bytes(b"x")
    (root / "train" / "a" / "UPPER.PNG").write_bytes((root / "train" / "a" / "000.png").read_bytes())
    (root / "train" / "labels.png").write_bytes(b"x")
    (root / "train" / "empty").mkdir()
    source = open_source(root)
    assert source.classes == ["a", "b"]
    assert [item.name for item in source.train if item.label == "a"] == ["000.png", "001.png", "UPPER.PNG"]


def test_limit_is_balanced_and_seeded(make_folder):
    root = make_folder({"train/a": 30, "train/b": 30, "train/c": 3, "valid/a": 9, "valid/b": 1})
    source = open_source(root, limit=12)
    assert labels(source.train) == {"a": 5, "b": 4, "c": 3} or labels(source.train) == {
        "a": 4,
        "b": 5,
        "c": 3,
    }
    assert len(source.valid) == 10
    assert source.train == sorted(source.train)
    assert open_source(root, limit=12) == source
    assert open_source(root, limit=12, seed=1).train != source.train
    assert len(open_source(root, limit=1).train) == 1


def test_holdout_leaves_the_test_images_alone(make_folder):
    root = make_folder({"train/a": 20, "train/b": 20, "test/a": 5, "test/b": 5})
    whole, source = open_source(root), open_source(root, holdout=10)
    assert labels(source.valid) == {"a": 5, "b": 5}
    assert sorted(source.train + source.valid) == whole.train
    assert not set(source.valid) & set(whole.valid)
    with pytest.raises(DataError, match="`holdout` 40: there are 40 training images"):
        open_source(root, holdout=40)


def test_the_fingerprint_survives_a_copy_and_sees_a_change(make_folder, copy_of, tmp_path, touch):
    counts = {"train/a": 2, "train/b": 2, "valid/a": 1}
    root = make_folder(counts)
    source = open_source(root)
    elsewhere = open_source(copy_of(root, tmp_path / "elsewhere", copy_function=os.link))
    assert (source.fingerprint, source.stamp) == (open_source(root).fingerprint, open_source(root).stamp)
    assert source.fingerprint == elsewhere.fingerprint
    assert source.stamp != elsewhere.stamp
    touch(root / "train" / "a" / "000.png")
    assert open_source(root).stamp != source.stamp
    (root / "train" / "a" / "000.png").rename(root / "train" / "a" / "new.png")
    assert open_source(root).fingerprint != source.fingerprint


def test_the_fingerprint_tells_training_from_validation(make_folder):
    one = open_source(make_folder({"train/a": 2, "train/b": 2, "valid/b": 1}, name="one"))
    two = open_source(make_folder({"train/a": 2, "train/b": 3}, name="two"), holdout=1)
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, ["pictures", "no images in class folders", "CLASS/NAME.png"]),
        ({"train/a": 2, "valid/a": 1}, ["pictures", "only one class (a)", "at least two"]),
        ({"cat": 2}, ["pictures", "only one class (cat)"]),
        (
            {"train/a": 2, "train/b": 2, "valid/a": 1, "valid/c": 1, "valid/d": 1},
            ["the class c, d, which no training image"],
        ),
        ({"train/a": 2, "train/b": 2, "valid/empty": 0}, ["valid", "no images"]),
    ],
    ids=["empty", "one class", "one class unsplit", "unknown class", "empty valid"],
)
def test_a_folder_that_cannot_be_used_is_explained(make_folder, counts, words):
    with pytest.raises(DataError) as caught:
        open_source(make_folder(counts))
    assert all(word in str(caught.value) for word in words), caught.value
    assert str(caught.value).count("\n") <= 1
    assert caught.value.exit_code == 2


def test_a_missing_path_and_a_file_are_explained(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder; `data` may be cifar10, cifar100, digits, a"):
        open_source(tmp_path / "nowhere")
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"file\.png is a file"):
        open_source(tmp_path / "file.png")


def test_a_first_image_that_is_none_is_named(make_folder):
    root = make_folder({"a": 5, "b": 5})
    for path in (root / "a").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"a/00\d\.png: "):
        open_source(root)


def test_photographs_are_shrunk_where_no_size_is_asked_for(make_folder):
    assert open_source(make_folder({"a": 2, "b": 2}, size=(300, 200))).size == 64
    assert open_source(make_folder({"a": 2, "b": 2}, size=(40, 50), name="small")).size == 40
    assert open_source(make_folder({"a": 2, "b": 2}, size=(5, 50), name="tiny")).size == 8


def test_digits_are_written_once(home):
    source = open_source("digits")
    assert (len(source.train), len(source.valid)) == (1438, 359)
    assert (source.size, source.mirror, source.classes) == (16, "none", [str(d) for d in range(10)])
    assert {d.name for d in (home / "data").iterdir()} == {"digits-16"}
    assert open_source("digits").stamp == source.stamp


def test_two_processes_may_write_the_digits_at_once(home):
    code = "import sys, pathlib, data.sources.digits as d; d.digits_folder(pathlib.Path(sys.argv[1]))"
    both = [subprocess.Popen([sys.executable, "-c", code, str(home)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(list(home.glob("digits-16/*/*.png"))) == 1797
    assert [p.name for p in home.iterdir()] == ["digits-16"]


def test_a_source_prints_without_its_files(make_folder):
    assert "000.png" not in repr(open_source(make_folder({"a": 2, "b": 2})))
