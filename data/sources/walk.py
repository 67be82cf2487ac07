"""List the image files below a folder, at any depth, without hidden files and files of the operating system."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from data.common.errors import DataError

IMAGE_SUFFIXES = frozenset(  # suffixes of images that Pillow and pillow-heif can read
    ".apng .avif .bmp .dib .gif .heic .heif .hif .ico .j2k .jfif .jp2 .jpe .jpeg .jpg .jpx .mpo .pbm .pcx .pgm .png "
    ".pnm .ppm .psd .tga .tif .tiff .webp".split()
)
SYSTEM_FILES = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini"}  # names in lower case
# Kinds of ignored files, singular and plural
LOOSE_IMAGE = "image outside of a class folder|images outside of class folders"
OTHER_FILE = "file that is not an image|files that are not images"
BROKEN_LINK = "broken link|broken links"
REPEATED_FOLDER = "link to a folder that is already listed|links to folders that are already listed"


class Found(NamedTuple):
    """An image file below a folder.

    Attributes:
        name: path of the file, relative to the folder.
        bytes: size of the file.
        mtime_ns: time of its last change, in nanoseconds.
    """

    name: str
    bytes: int
    mtime_ns: int


def images_below(folder: str, ancestors: set[tuple[int, int]], ignored: Counter[str]) -> list[Found]:
    """Returns the image files below `folder`, sorted by name.

    Links to folders are followed. Each folder is listed once, even if several links point to it, and an ancestor of
    `folder` is not listed.

    Args:
        folder: path of the folder.
        ancestors: identities of the folders that contain `folder`; see `identity_of`.
        ignored: number of ignored files by kind, which is increased.

    Raises:
        DataError: a folder cannot be read.
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
    """Returns the folders in a folder, sorted by name, and its other entries, without hidden and system files.

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
    """Whether a name is that of a hidden file, or of one that the operating system or a program creates."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that points to itself
        return False


def is_image_name(name: str) -> bool:
    """Whether a file name has the suffix of an image format."""
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES


def _images(below: str, files: list[os.DirEntry[str]], ignored: Counter[str]) -> Iterator[Found]:
    """Yield the image files among `files` and count the others; `below` is the path of their folder."""
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
    return f"{below}/{name}" if below else name  # with / on every system, because the fingerprint is computed from it


def identity_of(folder: str) -> tuple[int, int]:
    """Returns the device and inode number of a folder, which identify it by whatever path it was reached.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        facts = os.stat(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from error
    return facts.st_dev, facts.st_ino
