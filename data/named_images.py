"""Find the images that a user names on the command line: files, folders, patterns or a list on standard input."""

import glob
import logging
import os
from collections.abc import Iterable, Iterator

from data.sources.notes import Notes
from data.sources.walk import images_below

log = logging.getLogger(__name__)

STDIN_NAME = "-"  # name that means: read the names from standard input


def named_images(names: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the images, in the order in which they are named.

    A name without any match is yielded unchanged; reading it then raises an error that names it.

    Args:
        names: files; folders, which mean all images at any depth below them; patterns such as `*.jpg` or
            `photos/**/*.jpg`; `-`, which means the files and folders that standard input lists, one per line.

    Raises:
        DataError: a folder cannot be read.
    """
    for name in names:
        if name == STDIN_NAME:
            for line in _lines_of_stdin():
                if line.strip():
                    yield from _of_path(line.rstrip("\r\n"))
        elif os.path.lexists(name):
            yield from _of_path(name)
        else:
            yield from sorted(filter(os.path.isfile, glob.iglob(name, recursive=True))) or [name]


def _lines_of_stdin() -> Iterator[str]:
    """Yield the lines of standard input; bytes that are not valid UTF-8 are kept, as in the file names of Python."""
    with open(0, encoding="utf-8", errors="surrogateescape", closefd=False) as lines:
        yield from lines


def _of_path(path: str) -> Iterator[str]:
    """Yield the file itself, or the images below a folder. One line of the log reports the files it ignores there."""
    if not os.path.isdir(path):
        yield path
        return
    notes = Notes()
    found = images_below(path, set(), notes.ignored)
    if not found:
        notes.add("no images in this folder")
    if lines := notes.lines():
        log.warning("%s: %s", path, "; ".join(lines))
    yield from (os.path.join(path, image.name) for image in found)
