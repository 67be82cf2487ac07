"""Where figures and pictures of a run can be sent: one file for each tracker, all by accelerate's trackers."""

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
    """The run cannot be tracked as asked."""


@dataclass(frozen=True)
class Backend:
    """One tracker.

    Attributes:
        packages: what must be installed for it, by the names that both `import` and pip know.
        start: makes the tracker of a run that keeps everything in this folder, and sends nothing over a network.
        picture: adds a picture, H×W×3 uint8, under a name.
    """

    packages: tuple[str, ...]
    start: Callable[[Path], "GeneralTracker"]
    picture: Callable[["GeneralTracker", str, np.ndarray], None]


def register(name: str, backend: Backend) -> None:
    """Make a tracker known under the name that `log` takes."""
    TRACKERS[name] = backend


def installed(name: str) -> Backend:
    """The tracker of this name.

    Raises:
        TrackingError: there is no such tracker, or its packages are not installed.
    """
    if name not in TRACKERS:
        raise TrackingError(f"`log` {name!r}: choose from {', '.join(sorted(TRACKERS))}")
    backend = TRACKERS[name]
    check_installed(f"`log` {name}", backend.packages, backend.packages, TrackingError)
    return backend


import_modules(__name__, __path__)
