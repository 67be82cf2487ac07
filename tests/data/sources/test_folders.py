"""Real-world folders: every file is listed, or the log or an error message says why it is not."""

import logging
import os
import unicodedata
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from data import DataError, open_source
from data.sources.folder import CHECK_HINT, list_folder

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def told(caplog):
    """Returns a function that returns the log messages so far, and clears the log."""
    caplog.set_level(logging.WARNING)

    def lines():
        said = [record.getMessage().removesuffix(CHECK_HINT) for record in caplog.records]
        caplog.clear()
        return said

    return lines


def counts(items):
    return dict(Counter(item.label for item in items))


def splits(root):
    source = open_source(root)
    return counts(source.train), counts(source.valid)


def test_images_at_any_depth_belong_to_the_class(make_folder, told):
    root = make_folder(
        {"train/cat": 3, "train/cat/2021": 2, "train/cat/2021/may": 2, "train/dog/old": 4, "valid/dog/a/b": 2}
    )
    assert splits(root) == ({"cat": 7, "dog": 4}, {"dog": 2})
    assert told() == []
    names = [item.name for item in open_source(root).train if item.label == "cat"]
    assert names == sorted(names)
    assert "2021/may/000.png" in names
    assert all(item.path.is_file() for item in open_source(root).train)


@pytest.mark.parametrize("train", ["train", "training", "Train", "TRAINING"])
@pytest.mark.parametrize("valid", ["valid", "val", "validation", "dev", "Validation", "test", "Test"])
def test_every_usual_name_of_a_split_is_known(make_folder, train, valid, told):
    root = make_folder({f"{train}/a": 2, f"{train}/b": 3, f"{valid}/b": 2})
    assert splits(root) == ({"a": 2, "b": 3}, {"b": 2})
    assert told() == []


def test_val_is_validated_on_and_test_is_left_alone(make_folder, told):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "test/b": 3, "extra/a": 2, "old": 1})
    assert splits(root)[1] == {"a": 1}
    (line,) = told()
    assert line == (
        f"{root}: not used, beside the splits: extra (2 images), old (1 images); "
        "val is used for validation, and test (3 images) is not used"
    )


def test_a_test_set_without_labels_is_left_alone(make_folder, told):
    root = make_folder({"train/a": 5, "train/b": 5, "test": 3})
    assert splits(root) == ({"a": 4, "b": 4}, {"a": 1, "b": 1})
    assert "test (3 images) has no class folders with images and is not used" in told()[0]


def test_two_folders_of_one_split_are_refused(make_folder):
    root = make_folder({"train/a": 2, "train/b": 2, "val/a": 1, "validation/a": 1})
    with pytest.raises(DataError, match="val and validation are both folders of the split valid; rename or merge one"):
        open_source(root)


def test_a_class_called_train_is_told_to_be_taken_for_a_split(make_folder):
    root = make_folder({"train": 4, "car": 4, "bus": 4})
    with pytest.raises(DataError) as caught:
        open_source(root)
    assert "train: no images in class folders" in str(caught.value)
    assert "it is read as the split, because of its name; rename it if it is a class, as bus, car" in str(caught.value)


def test_without_training_images_a_split_is_no_class(make_folder, told):
    root = make_folder({"valid/a": 2, "valid/b": 2, "test/a": 2})
    with pytest.raises(DataError, match="no images to train on"):
        open_source(root)
    told()
    assert splits(make_folder({"dev": 5, "user": 5}, name="roles"))[0] == {"dev": 4, "user": 4}
    assert "there is no folder train, so dev is read as a class" in told()[0]


def test_what_is_passed_over_is_counted(make_folder, told):
    root = make_folder(
        {"train/a": 2, "train/b": 2, "train/empty": 0, "train/deep/er": 0, "train": 1, "valid/a": 1, ".": 2}
    )
    for name in ("train/a/notes.txt", "train/b/movie.mp4", "labels.csv"):
        (root / name).write_bytes(b"x")
    (root / "train/a/gone.png").symlink_to(root / "nowhere.png")
    assert splits(root) == ({"a": 2, "b": 2}, {"a": 1})
    (line,) = told()
    assert "the class folder train/deep contains no images; the class folder train/empty contains no images; " in line
    ignored = {"3 files that are not images", "3 images outside of class folders", "1 broken link"}
    assert set(line.split("ignored: ")[1].split(", ")) == ignored


def test_leftovers_of_systems_are_no_images_and_not_worth_a_word(make_folder, told):
    root = make_folder({"a": 5, "b": 5, "__MACOSX/a": 3, "a/.ipynb_checkpoints": 2, "a/@eaDir": 2, ".git": 1})
    for name in ("Thumbs.db", "a/Thumbs.db", "a/.DS_Store", "a/._000.png", "desktop.ini"):
        (root / name).write_bytes(b"x")
    assert splits(root) == ({"a": 4, "b": 4}, {"a": 1, "b": 1})
    assert told() == []


def test_links_are_followed_once_and_loops_end(make_folder, told, tmp_path):
    elsewhere = make_folder({"more": 3}, name="elsewhere")
    root = make_folder({"a": 2, "b": 2})
    (root / "a/one").symlink_to(elsewhere / "more")
    (root / "a/two").symlink_to(elsewhere / "more")
    (root / "b/up").symlink_to(root)
    (root / "b/self").symlink_to(root / "b/self")
    (root / "c").symlink_to(root)
    (root / "d").symlink_to(elsewhere / "more")
    images = list_folder(root).splits.train
    assert counts(images) == {"a": 5, "b": 2, "d": 3}
    open_source(root)
    assert "the class folder pictures/c contains no images" in told()[0]
    assert "3 links to folders that are already listed" in list_folder(root).notes[-1]


NAMES = ["with spaces and, a comma", "Straße", "猫", "🦊 fox", "-rf", "--data", "100%", "it's", "a=b", "`lr`"]


def test_class_names_may_be_anything(make_folder):
    root = make_folder({name: 5 for name in NAMES})
    source = open_source(root)
    assert sorted(source.classes) == sorted(NAMES)
    assert counts(source.train) == dict.fromkeys(NAMES, 4)


def test_one_name_in_two_unicode_forms_is_one_class(make_folder, told):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != apart
    root = make_folder({f"train/{composed}": 3, "train/tea": 3, f"valid/{apart}": 2})
    assert splits(root) == ({composed: 3, "tea": 3}, {composed: 2})
    assert told() == []
    both = make_folder({composed: 5, apart: 5, "tea": 5}, name="both")
    assert splits(both)[0] == {composed: 8, "tea": 4}
    assert "café is written in two Unicode forms, which are one class" in told()[0]


def test_names_that_are_no_utf8_are_read(make_folder):
    root = make_folder({"a": 5, "b": 5})
    folder = os.fsencode(root) + b"/caf\xe9"
    os.mkdir(folder)
    for i in range(5):
        with open(folder + b"/im\xff%d.png" % i, "wb") as file:
            Image.new("RGB", (12, 12)).save(file, "png")
    source = open_source(root)
    assert source.classes == ["a", "b", "caf\\xe9"]
    assert [item.read(12).shape for item in source.train if item.label.startswith("caf")] == [(12, 12, 3)] * 4
    assert b"caf\\xe9".isascii()


def test_classes_are_in_natural_order(make_folder):
    names = ["class1", "class10", "class2", "class9", "7", "10", "Zebra", "ant", "class"]
    assert open_source(make_folder({name: 2 for name in names})).classes == [
        "7", "10", "Zebra", "ant", "class", "class1", "class2", "class9", "class10",
    ]  # fmt: skip


def test_names_without_numbers_keep_the_plain_order(make_folder):
    names = ["b", "B", "a-c", "a", "ä", "_", "a b"]
    assert open_source(make_folder({name: 2 for name in names})).classes == sorted(names)


def test_a_thousand_classes(make_folder):
    root = make_folder({f"n{i}": 2 for i in range(1000)}, size=(2, 2))
    source = open_source(root)
    assert source.classes == [f"n{i}" for i in range(1000)]
    assert (len(source.train), len(source.valid)) == (1000, 1000)


def test_a_single_image_of_a_class_is_trained_on_and_told(make_folder, told):
    root = make_folder({"many": 10, "one": 1, "few": 2})
    assert splits(root) == ({"few": 1, "many": 8, "one": 1}, {"few": 1, "many": 2})
    assert told() == ["classes with one image, which is used for training and not for validation: one"]


def test_one_image_of_every_class_leaves_nothing_to_validate_on(make_folder):
    with pytest.raises(DataError, match="no images to validate on; give each class at least two images"):
        open_source(make_folder({"a": 1, "b": 1}))


def test_holding_out_leaves_every_class_an_image(make_folder):
    root = make_folder({"train/many": 20, "train/one": 1, "train/two": 2, "test/many": 1})
    for holdout in (1, 5, 20):
        source = open_source(root, holdout=holdout)
        assert len(source.valid) == holdout
        assert set(counts(source.train)) == {"many", "one", "two"}
    with pytest.raises(
        DataError,
        match="`holdout` 21: there are 23 training images, and one of each class must remain; hold out at most 20",
    ):
        open_source(root, holdout=21)


def test_nothing_of_the_users_is_touched(make_folder):
    root = make_folder({"train/a/deep": 2, "train/b": 2, "valid/a": 1})
    before = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in root.rglob("*")}
    np.stack([item.read(12) for item in open_source(root, skip_bad=True).train])
    assert before == {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in root.rglob("*")}
