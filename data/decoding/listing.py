"""Cache the list of the images in a folder, because listing 60,000 files takes a second."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from data.common.files import replacing
from data.decoding.cache_files import cache_folder, locked
from data.items import ImageFile
from data.sources.folder import list_splits
from data.sources.registry import Splits


def cached_splits(root: Path) -> Splits:
    """Returns the images of a folder, from the cached list if no file was added or removed.

    Use it only for folders whose files are never edited in place: editing a file does not change the time of its
    folder, so the cached list would keep the old size and time of the file.

    Raises:
        DataError: see `list_splits`.
    """
    path = cache_folder() / f"{root.name}-{_stamp(root)}.images.json"
    with locked(path):
        if not path.exists():
            with replacing(path) as scratch:
                scratch.write_text(json.dumps(list_splits(root)[:2]))
    train, valid = json.loads(path.read_text())
    return Splits(_files(train), valid and _files(valid))


def _files(rows: list[list[Any]]) -> list[ImageFile]:
    return [ImageFile(*row) for row in rows]


def _stamp(root: Path) -> str:
    """Returns a digest of the paths and change times of the folder, its split folders and their class folders."""
    folders = [root, *_subfolders(root)]
    folders += [inner for split in folders[1:] for inner in _subfolders(split)]
    facts = [(str(folder), folder.stat().st_mtime_ns) for folder in folders]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if entry.is_dir())
