"""What lies in a folder and is no image of the data set."""

import os
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from data.rgb import DECODE_ERRORS
from data.sources.splits import split_of
from data.sources.walk import is_hidden_or_system_file, is_image_name

PHOTO_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # formats in which people keep photographs


@dataclass(frozen=True)
class Unused:
    """Files and folders that are not part of the data set.

    Attributes:
        images: files that hold an image, by their name or by their content.
        test: the same, in a folder `test` of a set whose validation images are others: they are kept for later.
        hidden: files whose name, or a folder above them, begins with a dot, or which a system has left.
        others: all other files, pipes and sockets.
        dead: links that lead nowhere.
        empty: folders without any entry.
    """

    images: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def find_unused(root: Path, used: Set[str]) -> Unused:
    """All files under `root` but the `used` ones, by kind; links to folders are not followed."""
    found = Unused()
    for folder, hidden, names, is_empty in _folders(root):
        if is_empty and not hidden:
            found.empty.append(folder)
        for name in names:
            path = os.path.join(folder, name)
            if path in used:
                continue
            if hidden or is_hidden_or_system_file(name):
                found.hidden.append(path)
            elif not os.path.exists(path):
                found.dead.append(path)
            elif _is_image(path):
                (found.test if _is_test(root, path) else found.images).append(path)
            else:
                found.others.append(path)
    return found


def _folders(root: Path) -> Iterator[tuple[str, bool, list[str], bool]]:
    """Each folder: its path, whether it is hidden, the names of its files, and whether nothing at all is in it."""
    for folder, inner, names in os.walk(root):
        inner.sort()
        parts = Path(folder).relative_to(root).parts
        yield folder, any(map(is_hidden_or_system_file, parts)), sorted(names), not inner and not names


def _is_test(root: Path, path: str) -> bool:
    return split_of(Path(path).relative_to(root).parts[0]) == "test"


def _is_image(path: str) -> bool:
    if not os.path.isfile(path):  # to open a pipe would wait for ever
        return False
    if is_image_name(path):
        return True
    try:
        with Image.open(path, formats=PHOTO_FORMATS):
            return True
    except DECODE_ERRORS:
        return False
