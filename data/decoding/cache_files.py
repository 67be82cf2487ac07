"""Paths and locks of cached files, which are stored next to fastai's data folder."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from data.home import home_path


def cache_folder() -> Path:
    """Returns the folder of all cached files."""
    return home_path("data").parent / "decoded"


def cache_path(name: str, stamp: str, suffix: str) -> Path:
    """Returns the path of a file that was computed from a source.

    Args:
        name: name of the source; of a path, only the last part is used.
        stamp: digest of the source, which differs whenever its images may have changed.
        suffix: end of the file name, which says what the file contains.
    """
    readable = re.sub(r"\W+", "-", Path(name).name)[:40] or "root"
    return cache_folder() / f"{readable}-{stamp[:16]}-{suffix}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a cached file, so that one process writes it while the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield
