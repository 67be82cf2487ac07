"""The list of a folder's images, kept in a file: to ask for 60,000 files takes a second."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from data.common.files import replacing
from data.items import ImageFile
from data.kept import kept_folder, locked
from data.sources.folder import list_splits
from data.sources.registry import Splits


def kept_splits(root: Path) -> Splits:
    """`list_splits` of a folder whose files are added or removed, and never edited in place: listed once.

    The list is made anew when a class folder or a split changes. A file that is edited in place changes no folder.

    Raises:
        DataError: see `list_splits`.
    """
    path = kept_folder() / f"{root.name}-{_stamp(root)}.images.json"
    with locked(path):
        if not path.exists():
            with replacing(path) as scratch:
                scratch.write_text(json.dumps(list_splits(root)[:2]))
    train, valid = json.loads(path.read_text())
    return Splits(_files(train), valid and _files(valid))


def _files(rows: list[list[Any]]) -> list[ImageFile]:
    return [ImageFile(*row) for row in rows]


def _stamp(root: Path) -> str:
    """Of the names and times of the folder, its splits and their class folders."""
    folders = [root, *_subfolders(root)]
    folders += [inner for split in folders[1:] for inner in _subfolders(split)]
    facts = [(str(folder), folder.stat().st_mtime_ns) for folder in folders]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if entry.is_dir())
