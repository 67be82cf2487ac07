"""Data, device, versions and commit of a run, for its `recipe.json`."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.common.launch import process_count

if TYPE_CHECKING:
    from data.block import ImageLoaders

PACKAGES = ("torch", "torchvision", "fastai", "albumentations", "numpy")  # packages whose versions are recorded


def provenance(dls: "ImageLoaders") -> dict[str, Any]:
    """Return the entries of `recipe.json` beside the settings, in plain values."""
    source = dls.source
    return {
        "device": str(dls.device),
        "processes": process_count(),
        "train_images": len(source.train),
        "valid_images": len(source.valid),
        "classes": list(source.classes),
        "fingerprint": source.fingerprint,
        "skipped": list(source.skipped),
        "versions": versions(),
        "commit": commit(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect a result."""
    return {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in PACKAGES}}


def commit() -> str | None:
    """Return the commit of this checkout, or None without git or if this project is not the top of a repository.

    An installed copy may lie inside the repository of another project, whose commit says nothing about it.
    """
    root = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        top, head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head if Path(top).resolve() == root else None
