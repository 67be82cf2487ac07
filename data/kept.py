"""Files that are kept beside fastai's data: made once by one process, whole or absent."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from data.home import home_path


def kept_folder() -> Path:
    return home_path("data").parent / "decoded"


def kept_path(name: str, stamp: str, what: str) -> Path:
    """Where something that was made of a source is kept.

    Args:
        name: of the source; a path stands for its last part.
        stamp: of the source; it changes whenever its images may have.
        what: what is kept, with the suffix of its file.
    """
    readable = re.sub(r"\W+", "-", Path(name).name)[:40] or "root"
    return kept_folder() / f"{readable}-{stamp[:16]}-{what}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process builds a file, the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield
