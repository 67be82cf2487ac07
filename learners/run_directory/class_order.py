"""Put the classes of a source into the order in which a run was trained."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data import Source
from learners.run_directory.run import RESTORE_HINT, RunDirectoryError


def with_class_order(source: Source, classes: Sequence[str], path: Path) -> Source:
    """Return the source with its classes in the order of a run.

    Args:
        source: the source of the images.
        classes: the class names of the run, in order.
        path: the file of the run that holds `classes`; for the error message.

    Raises:
        RunDirectoryError: the source has other classes.
    """
    if sorted(classes) != sorted(source.classes):
        raise RunDirectoryError(
            f"{path}: its classes ({len(classes)}) are not those of {source.name} ({len(source.classes)}); "
            f"{RESTORE_HINT}"
        )
    return replace(source, classes=list(classes))
