"""The registry of export formats. A new format is a module in this package with a class under `@export_format`.

Import torch and the format's own libraries inside the methods, and optional ones within `needed`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from data.common.discovery import import_modules
from data.common.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from learners.prediction.end_to_end import EndToEnd

ExportedModel = Callable[["np.ndarray"], "np.ndarray"]  # from pixels N×size×size×3, uint8, to probabilities N×C


class ExportError(InputError):
    """A model cannot be exported with these arguments."""


class Format(Protocol):
    """A file format for exported models.

    Attributes:
        suffix: file name suffix, with the dot.
    """

    suffix: str

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        """Write a model to a file.

        Args:
            model: the model, in eval mode and on the CPU.
            size: side of the images, in pixels.
            facts: metadata to write into the file, in plain values.
            path: the file.
        """
        ...

    def load(self, path: Path, model: "EndToEnd") -> ExportedModel:
        """Return the model in a file as a function, for the comparison with the original.

        Args:
            path: the file.
            model: the original, for formats that hold weights alone; it is not changed.
        """
        ...


FORMATS: dict[str, Format] = {}


def export_format(name: str) -> Callable[[type[Format]], type[Format]]:
    """Register the decorated class as a format.

    Args:
        name: the name for the argument `format` of `export`.
    """

    def register(kind: type[Format]) -> type[Format]:
        FORMATS[name] = kind()
        return kind

    return register


def find_format(name: str) -> Format:
    """Return the format of a name.

    Raises:
        ExportError: there is no format of that name.
    """
    if name not in FORMATS:
        raise ExportError(f"`format` {name!r}: choose from {', '.join(sorted(FORMATS))}")
    return FORMATS[name]


@contextmanager
def needed(*packages: str) -> Iterator[None]:
    """In this context a failed import becomes an error that names the command to install the packages.

    Raises:
        ExportError: a package is missing.
    """
    try:
        yield
    except ImportError as error:
        raise ExportError(
            f"this format needs {error.name or 'more packages'}; install it: pip install {' '.join(packages)}"
        ) from error


import_modules(__name__, __path__)
