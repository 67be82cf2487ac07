"""A folder of images: `train/` and `valid|val|test/` by class, or one folder of classes."""

import mimetypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from data.common.errors import DataError
from data.items import ImageFile
from data.sources.registry import Splits, data_help

VALID_NAMES = ("valid", "val", "test")
IMAGE_SUFFIXES = {suffix for suffix, kind in mimetypes.types_map.items() if kind.startswith("image/")}  # fastai's


def folder(data: str) -> Splits:
    """Every value of `data` that is no other source. The folder of a file names its class.

    Raises:
        DataError: a path that does not exist, is a file, cannot be read or holds no images.
    """
    return list_splits(Path(data).expanduser().absolute())


def list_splits(root: Path) -> Splits:
    """Training and validation files in a fixed order; see `folder`."""
    if not root.exists():
        raise DataError(f"{root}: no such file or folder; `data` may be {data_help()}")
    if not root.is_dir():
        raise DataError(f"{root} is a file; `data` may be {data_help()}")
    train_dir = root / "train"
    if not train_dir.is_dir():
        return Splits(_list_classes(root), None)
    valid_dirs = [root / name for name in VALID_NAMES if (root / name).is_dir()]
    return Splits(_list_classes(train_dir), _list_classes(valid_dirs[0]) if valid_dirs else None)


def _list_classes(folder: Path) -> list[ImageFile]:
    """Files of all class folders in `folder`, by class name, then by file name."""
    files = [f for label in _subfolders(folder) for f in _list_images(f"{folder}/{label}", label)]
    if not files:
        raise DataError(f"{folder}: no images in class folders; give each class a folder: CLASS/NAME.png")
    return files


def _subfolders(folder: Path) -> list[str]:
    with _scan(str(folder)) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())


def _list_images(folder: str, label: str) -> list[ImageFile]:
    with _scan(folder) as entries:
        found = [(e.name, e.stat()) for e in entries if _is_image(e)]
    return sorted(ImageFile(folder, label, name, s.st_size, s.st_mtime_ns) for name, s in found)


def _is_image(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES and not name.startswith(".") and entry.is_file()


def _scan(folder: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
    try:
        return os.scandir(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
