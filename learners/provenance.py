"""Where figures come from: versions and commit."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("torch", "torchvision", "fastai", "albumentations", "numpy")


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in PACKAGES}}


def commit() -> str | None:
    """The commit of this checkout; None without git, or where this project is not the top of a repository.

    An installed copy lies in an environment that may stand inside somebody else's repository.
    """
    root = Path(__file__).resolve().parents[1]
    command = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        top, head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head if Path(top).resolve() == root else None
