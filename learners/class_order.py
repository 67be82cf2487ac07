"""The order of the classes is that in which a run was trained, whatever order a program of today would give them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data import Source
from learners.run import RESTORE, RunDirectoryError


def in_order_of(source: Source, classes: Sequence[str], path: Path) -> Source:
    """The source with its classes in the order of a run.

    Args:
        classes: of the run, as its file at `path` says.

    Raises:
        RunDirectoryError: they are not the classes of the source.
    """
    if sorted(classes) != sorted(source.classes):
        raise RunDirectoryError(
            f"{path}: its classes ({len(classes)}) are not those of {source.name} ({len(source.classes)}); {RESTORE}"
        )
    return replace(source, classes=list(classes))
