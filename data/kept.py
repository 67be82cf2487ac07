"""Files that are kept beside fastai's data: made once by one process, whole or absent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from data.home import home_path


def kept_folder() -> Path:
    return home_path("data").parent / "decoded"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process builds a file, the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        yield
