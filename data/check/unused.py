"""Find the files and folders in a folder that are not part of its data set."""

import os
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from data.decoding.rgb import DECODE_ERRORS
from data.sources.splits import split_of
from data.sources.walk import is_hidden_or_system_file, is_image_name

PHOTO_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # formats by whose content an image is recognised


@dataclass(frozen=True)
class Unused:
    """Files and folders that are not part of the data set.

    Attributes:
        images: image files, by their suffix or by their content.
        test: image files in a folder `test` that is not used, because the set has another validation split.
        hidden: hidden files, files in hidden folders, and files of the operating system.
        others: all other files, pipes and sockets.
        dead: broken links.
        empty: folders without any entry.
    """

    images: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)


def find_unused(root: Path, used: Set[str]) -> Unused:
    """Returns the files and folders below `root` that are not used, by kind; links to folders are not followed.

    Args:
        root: the folder.
        used: paths of the images of the data set.
    """
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
    """Yield each folder: its path, whether it is hidden, the names of its files, and whether it is empty."""
    for folder, inner, names in os.walk(root):
        inner.sort()
        parts = Path(folder).relative_to(root).parts
        yield folder, any(map(is_hidden_or_system_file, parts)), sorted(names), not inner and not names


def _is_test(root: Path, path: str) -> bool:
    """Whether a file is below the folder of the test split."""
    return split_of(Path(path).relative_to(root).parts[0]) == "test"


def _is_image(path: str) -> bool:
    """Whether a file is an image, by its suffix or by its content."""
    if not os.path.isfile(path):  # opening a pipe would block
        return False
    if is_image_name(path):
        return True
    try:
        with Image.open(path, formats=PHOTO_FORMATS):
            return True
    except DECODE_ERRORS:
        return False
