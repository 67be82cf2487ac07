"""Where figures come from: data, device, versions and commit."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.common.launch import process_count

if TYPE_CHECKING:
    from data.block import ImageLoaders

PACKAGES = ("torch", "torchvision", "fastai", "albumentations", "numpy")


def provenance(dls: "ImageLoaders") -> dict[str, Any]:
    """What went into a run beside its recipe, in plain values."""
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
