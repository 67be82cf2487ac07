"""The images that a user names on a command line: files, folders, patterns, or a list on standard input."""

import glob
import logging
import os
from collections.abc import Iterable, Iterator

from data.sources.notes import Notes
from data.sources.walk import images_below

log = logging.getLogger(__name__)

LIST = "-"  # stands for the names on standard input


def named_images(names: Iterable[str]) -> Iterator[str]:
    """The paths of the images, in the order in which they are named.

    A name that leads to nothing is given as it is, so that whoever reads it says so.

    Args:
        names: files; folders, which stand for all images at any depth below them; patterns of files such as `*.jpg` or
            `photos/**/*.jpg`; `-`, which stands for the files and folders that standard input lists, one a line.

    Raises:
        DataError: a folder that cannot be read.
    """
    for name in names:
        if name == LIST:
            for line in _lines_of_stdin():
                if line.strip():
                    yield from _of_path(line.rstrip("\r\n"))
        elif os.path.lexists(name):
            yield from _of_path(name)
        else:
            yield from sorted(filter(os.path.isfile, glob.iglob(name, recursive=True))) or [name]


def _lines_of_stdin() -> Iterator[str]:
    """Bytes that are no text are kept, as Python does in names of files."""
    with open(0, encoding="utf-8", errors="surrogateescape", closefd=False) as lines:
        yield from lines


def _of_path(path: str) -> Iterator[str]:
    """The file itself, or the images below a folder; one line in the log says what was passed over there."""
    if not os.path.isdir(path):
        yield path
        return
    notes = Notes()
    found = images_below(path, set(), notes.ignored)
    if not found:
        notes.say("no images in this folder")
    if lines := notes.lines():
        log.warning("%s: %s", path, "; ".join(lines))
    yield from (os.path.join(path, image.name) for image in found)
