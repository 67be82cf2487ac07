"""Folders with an unusual layout: their splits, classes, names and duplicates."""

import os
import re
import unicodedata

from tests.data.trouble.kinds import Pictures, kind

# Splits


def split_called(train: str, valid: str) -> None:
    """Register folders whose splits have these names."""

    @kind(
        r'"counts": \{"train": \{"cat": 3, "dog": 3\}, "valid": \{"cat": 1, "dog": 1\}\}',
        name=f"splits called {train} and {valid}",
    )
    def make(folder: Pictures) -> None:
        (folder.root / "train").rename(folder.root / "was train").rename(folder.root / train)
        (folder.root / "valid").rename(folder.root / "was valid").rename(folder.root / valid)


for train, valid in {"training": "validation", "Train": "VAL", "TRAINING": "dev", "train": "test"}.items():
    split_called(train, valid)


@kind(r'"test": \["[^"]*test/cat/0008\.png"\]')
def val_and_test_both(folder: Pictures) -> None:
    folder.put("test/cat", used=False)


@kind(r"valid and val are both folders of the split valid|val and valid", refused="both folders of the split valid; ")
def two_folders_of_one_split(folder: Pictures) -> None:
    folder.put("val/cat", used=False)


@kind(r'"split_given": false.*"test": \["[^"]*test/0008\.png', usual=False)
def a_test_set_without_classes(folder: Pictures) -> None:
    for label in ("cat", "dog"):
        folder.put(f"train/{label}", 4)
    folder.expected = [one._replace(split="any") for one in folder.expected]
    folder.put("test", used=False)


@kind(
    "rename it if it is a class, as bus, car",
    refused=r"train: .*rename it if it is a class",
    usual=False,
)
def a_class_called_train(folder: Pictures) -> None:
    for label in ("train", "car", "bus"):
        folder.put(label, 3, used=False)


@kind("there is no folder train, so dev is read as a class", usual=False)
def a_class_called_dev(folder: Pictures) -> None:
    for label in ("dev", "user"):
        folder.put(label, 3)


@kind("no images to train on", refused="no images to train on", usual=False)
def only_a_validation_split(folder: Pictures) -> None:
    for label in ("cat", "dog"):
        folder.put(f"valid/{label}", 3, used=False)


@kind(r'"split_given": false', usual=False)
def only_a_training_split(folder: Pictures) -> None:
    for label in ("cat", "dog"):
        folder.put(f"train/{label}", 3)
    folder.expected = [one._replace(split="any") for one in folder.expected]


@kind(r'"unused-images".*extra/cat/0008\.png')
def a_folder_beside_the_splits(folder: Pictures) -> None:
    folder.put("extra/cat", used=False)


@kind(r'"unused-images".*train/0008\.png')
def pictures_outside_of_classes(folder: Pictures) -> None:
    folder.put("train", used=False)


# Classes


@kind(r'"train": \{"cat": 5,')
def folders_within_a_class(folder: Pictures) -> None:
    folder.put("train/cat/2025/may")
    folder.put("train/cat/2026")


@kind(r'"train": \{"bird": 2,.*"not-validated".*"bird"')
def a_class_of_folders_alone(folder: Pictures) -> None:
    folder.put("train/bird/a")
    folder.put("train/bird/b")


@kind(r'"empty-folders".*train/bird')
def an_empty_class(folder: Pictures) -> None:
    (folder.root / "train/bird").mkdir()


@kind(r'"train": \{"cat": 4,')
def a_folder_called_x_jpg(folder: Pictures) -> None:
    folder.put("train/cat/x.jpg")


@kind(r'"single".*"bird"', usual=False)
def one_picture_in_a_class(folder: Pictures) -> None:
    for label, count in {"cat": 3, "dog": 3, "bird": 1}.items():
        folder.put(label, count)


@kind("one class only|one-class", refused=r"only one class \(cat\)", usual=False)
def one_class(folder: Pictures) -> None:
    folder.put("cat", 3, used=False)


@kind("no images", refused="no images in class folders", usual=False)
def an_empty_folder(folder: Pictures) -> None:
    pass


@kind("no images", refused="no images in class folders", usual=False)
def pictures_without_classes(folder: Pictures) -> None:
    folder.put(".", 3, used=False)


@kind(r'"unknown-class".*"bird"', refused="the class bird, which no training image has")
def a_class_that_training_lacks(folder: Pictures) -> None:
    folder.put("valid/bird", used=False)


@kind(r'"named-alike".*"Cat", "cat"')
def classes_that_differ_only_in_case(folder: Pictures) -> None:
    folder.put("train/Cat")


@kind(r'"imbalance".*"cat"')
def strong_imbalance(folder: Pictures) -> None:
    folder.put("train/dog", 40)


@kind(r'"images": 2000\b', usual=False)
def a_thousand_classes(folder: Pictures) -> None:
    for number in range(1000):
        folder.put(f"n{number}", 2)


# Names


def class_called(label: str, words: str) -> None:
    """Register folders with a class of this name."""

    @kind(rf'"train": \{{.*"{re.escape(label)}": 1\b', name=f"a class name {words}")
    def make(folder: Pictures) -> None:
        folder.put(f"train/{label}")


class_called("a cat, or two", "with spaces and a comma")
class_called("Straße 猫", "in letters of several scripts")
class_called("🦊", "of an emoji")
class_called("--data", "with leading dashes")
class_called("`lr`", "in backticks")
class_called("[bold]", "with the markup of a terminal")


@kind(r'"n2": 2.*"n10": 2|"n10": 2.*"n2": 2', usual=False)
def classes_that_are_numbered(folder: Pictures) -> None:
    for label in ("n10", "n2"):
        folder.put(label, 2)


@kind(r'"named-alike".*"cafe\u0301", "caf\u00e9"')
def one_class_in_two_Unicode_forms(folder: Pictures) -> None:
    composed = "caf\u00e9"
    folder.put(f"train/{composed}")
    folder.put(f"train/{unicodedata.normalize('NFD', composed)}", label=composed)


@kind(r'"caf\\\\xe9": 1')
def names_that_are_no_UTF_8(folder: Pictures) -> None:
    folder.put(f"train/{os.fsdecode(b'caf' + bytes([0xE9]))}", label="caf\\xe9")


@kind(r'"train": \{"cat": 4,')
def a_picture_with_a_line_break_in_its_name(folder: Pictures) -> None:
    folder.put("train/cat/sub\nfolder")


# Copies


@kind(r'"same-in-splits".*valid/cat/copy\.png')
def one_picture_in_both_splits(folder: Pictures) -> None:
    pixels = folder.expected[0].pixels
    folder.add("valid/cat/copy.png", (folder.root / "train/cat/0000.png").read_bytes(), pixels)


@kind(r'"same-in-classes".*train/dog/copy\.png')
def one_picture_in_two_classes(folder: Pictures) -> None:
    pixels = folder.expected[0].pixels
    folder.add("train/dog/copy.png", (folder.root / "train/cat/0000.png").read_bytes(), pixels)


@kind(r'"same-in-a-class".*train/cat/copy\.png')
def one_picture_twice(folder: Pictures) -> None:
    pixels = folder.expected[0].pixels
    folder.add("train/cat/copy.png", (folder.root / "train/cat/0000.png").read_bytes(), pixels)
