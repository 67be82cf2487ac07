"""List a folder of images: class folders in `train/` and `valid/` or `test/`, or class folders alone."""

import logging
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from data.common.errors import DataError
from data.items import ImageFile
from data.sources.notes import Notes, join_names
from data.sources.registry import Splits, data_help, path_of
from data.sources.splits import class_of, split_of
from data.sources.walk import LOOSE_IMAGE, OTHER_FILE, entries_of, identity_of, images_below, is_image_name

log = logging.getLogger(__name__)

NO_CLASS_FOLDERS = "no images in class folders; put the images of each class into a folder: CLASS/NAME.png"
CHECK_HINT = "; the command check lists each file"  # end of the log message about a folder


class Listing(NamedTuple):
    """The images of a folder, with notes for the log.

    Attributes:
        splits: the images.
        notes: phrases about ignored files and anything unexpected.
    """

    splits: Splits
    notes: list[str]


def folder(data: str) -> Splits:
    """Returns the images of a folder; one log message reports ignored files and anything unexpected.

    Args:
        data: path of the folder.

    Raises:
        DataError: see `list_folder`.
    """
    root = path_of(data)
    splits, notes = list_folder(root)
    if notes:
        log.warning("%s: %s%s", root, "; ".join(notes), CHECK_HINT)
    return splits


def list_splits(root: Path) -> Splits:
    """Returns the images of a folder in a fixed order, without notes.

    Raises:
        DataError: see `list_folder`.
    """
    return list_folder(root).splits


def list_folder(root: Path) -> Listing:
    """List the images of a folder, sorted by split, then by class, then by path within the class folder.

    The class folders are in `root` itself, or in one folder per split. Each split folder has one of the names in
    `SPLITS`, in upper or lower case. The images of a class may be at any depth below its folder.

    Raises:
        DataError: the path does not exist, is a file or cannot be read; it has no images in class folders, or two
            folders for one split.
    """
    if not root.exists():
        raise DataError(f"{root}: no such file or folder; `data` may be {data_help()}")
    if not root.is_dir():
        raise DataError(f"{root} is a file; `data` may be {data_help()}")
    notes = Notes()
    names = [entry.name for entry in entries_of(str(root))[0]]
    by_split = _by_split(root, names)
    if "train" in by_split or len(by_split) == len(names) > 0:
        return Listing(_split_layout(root, names, by_split, notes), notes.lines())
    if by_split:
        notes.add(f"there is no folder train, so {join_names(by_split.values())} is read as a class")
    images = _classes_in(root, notes)
    if not images:
        raise DataError(f"{root}: {NO_CLASS_FOLDERS}")
    return Listing(Splits(images, None), notes.lines())


def _by_split(root: Path, names: list[str]) -> dict[str, str]:
    """Returns the names of the split folders, by split."""
    by_split: dict[str, str] = {}
    for name in names:
        split = split_of(name)
        if split in by_split:
            raise DataError(
                f"{root}: {by_split[split]} and {name} are both folders of the split {split}; rename or merge one"
            )
        if split:
            by_split[split] = name
    return by_split


def _split_layout(root: Path, names: list[str], by_split: dict[str, str], notes: Notes) -> Splits:
    """Returns the images of a folder that has split folders."""
    beside = [name for name in names if not split_of(name)]
    train: list[ImageFile] = []
    if "train" in by_split:
        train = _classes_in(root / by_split["train"], notes)
        if not train:
            hint = (
                f"; it is read as the split, because of its name; rename it if it is a class, as {join_names(beside)}"
            )
            raise DataError(f"{root / by_split['train']}: {NO_CLASS_FOLDERS}{hint if beside else ''}")
    if beside:
        notes.add(f"not used, beside the splits: {join_names(_with_image_count(root, name) for name in beside)}")
    _count_files(root, notes)
    return Splits(train, _validation(root, by_split, notes))


def _validation(root: Path, by_split: dict[str, str], notes: Notes) -> list[ImageFile] | None:
    """Returns the validation images, or those of the test split if there is no validation split; None without any."""
    if "valid" in by_split:
        if "test" in by_split:
            unused = _with_image_count(root, by_split["test"])
            notes.add(f"{by_split['valid']} is used for validation, and {unused} is not used")
        images = _classes_in(root / by_split["valid"], notes)
        if not images:
            raise DataError(f"{root / by_split['valid']}: {NO_CLASS_FOLDERS}")
        return images
    if "test" not in by_split:
        return None
    images = _classes_in(root / by_split["test"], notes)
    if not images:
        notes.add(f"{_with_image_count(root, by_split['test'])} has no class folders with images and is not used")
    return images or None


def _classes_in(folder: Path, notes: Notes) -> list[ImageFile]:
    """Returns the images of all class folders in `folder`, sorted by class, then by path."""
    images: list[ImageFile] = []
    ancestors = {identity_of(str(path)) for path in (folder, *folder.parents)}
    names = sorted((class_of(entry.name), entry.name) for entry in entries_of(str(folder))[0])
    for label, name in names:
        path = f"{folder}/{name}"
        found = images_below(path, ancestors, notes.ignored)
        images += [ImageFile(path, label, *image) for image in found]
        if not found:
            notes.add(f"the class folder {folder.name}/{name} contains no images")
    labels = [label for label, _ in names]
    twice = sorted({label for label in labels if labels.count(label) > 1}) if len(set(labels)) < len(labels) else []
    if twice:
        notes.add(f"{join_names(twice)} is written in two Unicode forms, which are one class")
    _count_files(folder, notes)
    return images


def _with_image_count(root: Path, name: str) -> str:
    """Returns the name of a folder and the number of images below it."""
    return f"{name} ({len(images_below(str(root / name), set(), Counter())):,} images)"


def _count_files(folder: Path, notes: Notes) -> None:
    """Count the files that are directly in `folder`, outside of any class folder, as ignored."""
    for entry in entries_of(str(folder))[1]:
        notes.ignored[LOOSE_IMAGE if is_image_name(entry.name) else OTHER_FILE] += 1
