"""The registry of export formats. A new format is a new module of this package with a class under `@export_format`.

Imports of torch and of the format's own libraries belong inside the methods, with `needed` for those that are optional.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from data.common.discovery import import_modules
from data.common.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from learners.end_to_end import EndToEnd

Run = Callable[["np.ndarray"], "np.ndarray"]  # from pixels N×size×size×3, uint8, to probabilities N×C


class ExportError(InputError):
    """A model cannot be exported as it was asked for."""


class Format(Protocol):
    """One kind of file.

    Attributes:
        suffix: of its files, with the dot.
    """

    suffix: str

    def write(self, model: "EndToEnd", size: int, facts: dict[str, Any], path: Path) -> None:
        """Write the file.

        Args:
            model: in eval mode, on the CPU.
            size: side of its images, in pixels.
            facts: what a user of the file has to know, in plain values; they are kept in the file.
        """
        ...

    def load(self, path: Path, model: "EndToEnd") -> Run:
        """The file as a function, for the comparison with the model.

        Args:
            model: that was exported, for formats that hold weights alone. It is not changed.
        """
        ...


FORMATS: dict[str, Format] = {}


def export_format(name: str) -> Callable[[type[Format]], type[Format]]:
    """Register the decorated class under the name that `format` gives it."""

    def register(kind: type[Format]) -> type[Format]:
        FORMATS[name] = kind()
        return kind

    return register


def find_format(name: str) -> Format:
    """The format of that name.

    Raises:
        ExportError: there is none.
    """
    if name not in FORMATS:
        raise ExportError(f"`format` {name!r}: choose from {', '.join(sorted(FORMATS))}")
    return FORMATS[name]


@contextmanager
def needed(*packages: str) -> Iterator[None]:
    """Name the command that installs what an import in this context lacks.

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
