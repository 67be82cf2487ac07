"""List a folder of images: `train/` and `valid|val|test/` by class, or one folder of classes."""

import mimetypes
import os
from pathlib import Path
from typing import NamedTuple

from data.common.errors import DataError

VALID_NAMES = ("valid", "val", "test")
IMAGE_SUFFIXES = {suffix for suffix, kind in mimetypes.types_map.items() if kind.startswith("image/")}  # fastai's


class ImageFile(NamedTuple):
    """A file as it was when it was listed, in plain values: 60,000 `Path` objects take a second to handle."""

    folder: str
    label: str
    name: str
    bytes: int
    mtime_ns: int

    @property
    def path(self) -> Path:
        return Path(f"{self.folder}/{self.label}/{self.name}")


def list_splits(root: Path) -> tuple[list[ImageFile], list[ImageFile] | None]:
    """Training and validation files in a fixed order; None for validation where the folder has no such split.

    Raises:
        DataError: a path that does not exist, is a file, cannot be read or holds no images; fewer than two
            classes; a validation class that training lacks.
    """
    _check_folder(root)
    train_dir = root / "train"
    if not train_dir.is_dir():
        return _list_classes(root), None
    train = _list_classes(train_dir)
    valid_dir = next((root / name for name in VALID_NAMES if (root / name).is_dir()), None)
    if valid_dir is None:
        return train, None
    valid = _list_classes(valid_dir, fewest=1)
    unknown = sorted({f.label for f in valid} - {f.label for f in train})
    if unknown:
        raise DataError(
            f"{valid_dir}: {train_dir} has no class {', '.join(unknown)}; "
            "classes are matched by folder name, so rename or remove what does not match"
        )
    return train, valid


def _check_folder(root: Path) -> None:
    if not root.exists():
        raise DataError(f"{root}: no such folder; give digits, cifar10, cifar100, or your folder of images")
    if not root.is_dir():
        raise DataError(f"{root} is a file; give the folder that holds one folder of images for each class")


def _list_classes(folder: Path, fewest: int = 2) -> list[ImageFile]:
    """Files of all class folders in `folder`, by class name, then by file name."""
    files = [f for label in _subfolders(folder) for f in _list_images(folder, label)]
    classes = {f.label for f in files}
    if len(classes) < fewest:
        found = f"one class only ({classes.pop()})" if classes else "no images in class folders"
        raise DataError(f"{folder}: {found}; give each class, at least two, a folder: CLASS/NAME.png")
    return files


def _subfolders(folder: Path) -> list[str]:
    with _scan(folder) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())


def _list_images(folder: Path, label: str) -> list[ImageFile]:
    with _scan(folder / label) as entries:
        found = [(e.name, e.stat()) for e in entries if _is_image(e)]
    return sorted(ImageFile(str(folder), label, name, s.st_size, s.st_mtime_ns) for name, s in found)


def _is_image(entry: os.DirEntry) -> bool:
    name = entry.name
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES and not name.startswith(".") and entry.is_file()


def _scan(folder: Path):
    try:
        return os.scandir(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
