"""The files beneath a folder: at any depth, each real folder once, without what systems and programs leave behind."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from data.common.errors import DataError

IMAGE_SUFFIXES = frozenset(  # of pictures that Pillow and pillow-heif read
    ".apng .avif .bmp .dib .gif .heic .heif .hif .ico .j2k .jfif .jp2 .jpe .jpeg .jpg .jpx .mpo .pbm .pcx .pgm .png "
    ".pnm .ppm .psd .tga .tif .tiff .webp".split()
)
SYSTEM_FILES = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini"}  # in lower case
# What is passed over, for one and for several
LOOSE_IMAGE = "image outside of a class folder|images outside of class folders"
OTHER_FILE = "file that is no image|files that are no images"
BROKEN_LINK = "link that leads nowhere|links that lead nowhere"
REPEATED_FOLDER = "link to a folder that is there already|links to folders that are there already"


class Found(NamedTuple):
    """An image file as the walk found it.

    Attributes:
        name: its path relative to the folder that the walk began in.
        bytes: its length.
        mtime_ns: when it was last changed, in nanoseconds.
    """

    name: str
    bytes: int
    mtime_ns: int


def images_below(folder: str, ancestors: set[tuple[int, int]], ignored: Counter[str]) -> list[Found]:
    """The image files beneath `folder`, sorted by name.

    A link to a folder is followed. A folder to which several links lead is entered once, one ancestors never.

    Args:
        ancestors: the identities of folders that hold `folder`.
        ignored: counts what is passed over, by kind.

    Raises:
        DataError: a folder that cannot be read.
    """
    found: list[Found] = []
    seen, waiting = set(ancestors), [""]
    while waiting:
        below = waiting.pop()
        here = os.path.join(folder, below) if below else folder
        identity = identity_of(here)
        if identity in seen:
            ignored[REPEATED_FOLDER] += 1
            continue
        seen.add(identity)
        folders, files = entries_of(here)
        waiting += [_joined(below, entry.name) for entry in reversed(folders)]
        found += _images(below, files, ignored)
    return sorted(found)


def entries_of(folder: str) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """The folders in a folder, by name, and what else is in it; nothing hidden, and no leftovers.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not is_hidden_or_system_file(entry.name)]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    folders = [entry for entry in visible if is_folder(entry)]
    names = {entry.name for entry in folders}
    return sorted(folders, key=lambda e: e.name), [entry for entry in visible if entry.name not in names]


def is_hidden_or_system_file(name: str) -> bool:
    """Whether a name is hidden, or one that a system or a program writes for itself."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def is_image_name(name: str) -> bool:
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def _images(below: str, files: list[os.DirEntry[str]], ignored: Counter[str]) -> Iterator[Found]:
    for entry in files:
        if not is_image_name(entry.name):
            ignored[OTHER_FILE] += 1
            continue
        try:
            facts = entry.stat()
            regular = entry.is_file()
        except OSError:
            ignored[BROKEN_LINK] += 1
            continue
        if regular:
            yield Found(_joined(below, entry.name), facts.st_size, facts.st_mtime_ns)
        else:
            ignored[OTHER_FILE] += 1


def _joined(below: str, name: str) -> str:
    return f"{below}/{name}" if below else name  # also where a system writes \\: the fingerprint is made of it


def identity_of(folder: str) -> tuple[int, int]:
    """What tells a folder from every other, by whatever path it was reached.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        facts = os.stat(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    return facts.st_dev, facts.st_ino
