"""Progress bars: on stderr, and only where that is a terminal."""

import sys
from typing import Any

from rich.console import Console


def on_terminal() -> dict[str, Any]:
    """What every bar of `rich.progress` is given."""
    return {"console": Console(stderr=True), "disable": not sys.stderr.isatty(), "transient": True}
