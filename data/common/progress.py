"""Progress bars on stderr, shown only if stderr is a terminal."""

import sys
from typing import Any

from rich.console import Console


def on_terminal() -> dict[str, Any]:
    """Returns the keyword arguments that every progress bar of `rich.progress` is created with."""
    return {"console": Console(stderr=True), "disable": not sys.stderr.isatty(), "transient": True}
