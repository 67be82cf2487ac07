"""Checkpoint files: `torch.save` plus a SHA-256 digest, loaded with `weights_only=True`.

The digest stands in the comment of the zip archive that `torch.save` writes. A zip archive ends with the length of its
comment, 2 bytes that are 0 in torch's file. They are replaced by the length of the digest and the digest itself, which
zip readers ignore.
"""

import hashlib
import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from data.common.errors import InputError
from data.common.files import replacing

FORMAT_VERSION = 4  # version of the checkpoint's content; files of other versions are refused
ZIP_COMMENT = struct.Struct("<H64s")  # layout of the digest: its length, and a SHA-256 in hexadecimal


LOAD_ERRORS = (  # exceptions of `torch.load` for an archive that is damaged or has other content
    *(pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError),
    *(AssertionError, MemoryError, OverflowError, struct.error),
)


class CheckpointError(InputError):
    """Raised if a checkpoint cannot be used."""


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint file, replacing `path`; `torch.load(path, weights_only=True)` can read it too.

    Args:
        path: path of the file.
        state: tensors and plain values.

    Raises:
        OSError: the file could not be written; the old file is unchanged.
    """
    memory = io.BytesIO()  # torch's own writer reports a full disk as RuntimeError
    torch.save(state, memory)
    with replacing(path) as draft:
        draft.write_bytes(_with_digest(memory.getbuffer()))


def read_state(path: Path) -> dict[str, Any]:
    """Return the state that `write_state` wrote, with all tensors on the CPU.

    Raises:
        CheckpointError: the file cannot be read, was altered, or holds anything but tensors and plain values.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    archive = data[: -ZIP_COMMENT.size] + bytes(2)
    if _with_digest(archive) != data:
        raise CheckpointError(
            f"{path}: truncated, damaged, or not a checkpoint of this program; "
            "restore it from a backup, or delete it to start the run again from the beginning"
        )
    try:
        return torch.load(io.BytesIO(archive), weights_only=True, map_location="cpu")
    except LOAD_ERRORS as error:
        raise CheckpointError(
            f"{path}: holds more than tensors and plain values, so that loading it could run code; "
            "delete it and do not trust its source"
        ) from error


def _with_digest(archive: bytes | memoryview) -> bytes:
    """Return the zip archive with its digest as comment.

    The digest is needed because torch's zip reader does not check the CRCs of the archive.
    """
    digest = hashlib.sha256(archive).hexdigest().encode()
    return b"".join((archive[:-2], ZIP_COMMENT.pack(len(digest), digest)))


def remove_drafts(folder: Path) -> None:
    """Delete the incomplete files that a killed process left in `folder`."""
    for draft in folder.glob(".*.draft*"):
        os.unlink(draft)
