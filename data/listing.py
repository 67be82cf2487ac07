"""The list of a folder's images, kept in a file: to ask for 60,000 files takes a second."""

import hashlib
import json
import os
from pathlib import Path

from data.common.files import replacing
from data.folders import ImageFile, list_splits
from data.kept import kept_folder, locked


def kept_splits(root: Path) -> tuple[list[ImageFile], list[ImageFile] | None]:
    """`list_splits` of a folder whose files are added or removed, and never edited in place: listed once.

    The list is made anew when a class folder or a split changes. A file that is edited in place changes no folder.

    Raises:
        DataError: see `list_splits`.
    """
    path = kept_folder() / f"{root.name}-{_stamp(root)}.files.json"
    with locked(path):
        if not path.exists():
            with replacing(path) as scratch:
                scratch.write_text(json.dumps(list_splits(root)))
    train, valid = json.loads(path.read_text())
    return _files(train), valid and _files(valid)


def _files(rows: list[list]) -> list[ImageFile]:
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
