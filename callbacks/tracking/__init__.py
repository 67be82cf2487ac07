"""The experiment trackers that a run can log to: one module per tracker, all through accelerate's trackers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.common.discovery import import_modules
from data.common.errors import InputError
from data.common.packages import check_installed

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

TRACKERS: dict[str, "Backend"] = {}


class TrackingError(InputError):
    """Raised if a run cannot be logged to the chosen tracker."""


@dataclass(frozen=True)
class Backend:
    """The functions and packages of a tracker.

    Attributes:
        packages: required packages, by the names that both `import` and pip use.
        start: function that returns a tracker that writes into a folder and sends nothing over a network.
        picture: function that adds an image (H×W×3, uint8) under a name.
    """

    packages: tuple[str, ...]
    start: Callable[[Path], "GeneralTracker"]
    picture: Callable[["GeneralTracker", str, np.ndarray], None]


def register(name: str, backend: Backend) -> None:
    """Register a tracker.

    Args:
        name: value of the setting `log` that chooses this tracker.
        backend: its functions and packages.
    """
    TRACKERS[name] = backend


def installed(name: str) -> Backend:
    """Return the registered tracker of this name.

    Raises:
        TrackingError: the name is unknown, or the tracker's packages are not installed.
    """
    if name not in TRACKERS:
        raise TrackingError(f"`log` {name!r}: choose from {', '.join(sorted(TRACKERS))}")
    backend = TRACKERS[name]
    check_installed(f"`log` {name}", backend.packages, backend.packages, TrackingError)
    return backend


import_modules(__name__, __path__)
