"""Training state in a file that cannot lie: sealed with a digest, and read without running code."""

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

FORMAT_VERSION = 4  # of the checkpoint; a file of another format is refused
ZIP_COMMENT = struct.Struct("<H64s")  # the length of the zip comment, and the comment: a SHA-256 in hexadecimal


LOAD_ERRORS = (  # what torch raises for an archive that holds something else, or that is damaged
    *(pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError),
    *(AssertionError, MemoryError, OverflowError, struct.error),
)


class CheckpointError(InputError):
    """The checkpoint cannot be used."""


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Replace `path`; plain `torch.load(path, weights_only=True)` reads it too.

    Raises:
        OSError: it could not be written; the old file stands.
    """
    memory = io.BytesIO()  # torch's own writer reports a full disk as RuntimeError
    torch.save(state, memory)
    with replacing(path) as draft:
        draft.write_bytes(_with_digest(memory.getbuffer()))


def read_state(path: Path) -> dict[str, Any]:
    """What `write_state` wrote, on the CPU.

    Raises:
        CheckpointError: another byte than those written, or content beyond tensors and plain values.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    archive = data[: -ZIP_COMMENT.size] + bytes(2)
    if _with_digest(archive) != data:
        raise CheckpointError(
            f"{path}: truncated, damaged or no checkpoint of this program; "
            "put a good copy in its place, or remove it and the run begins again"
        )
    try:
        return torch.load(io.BytesIO(archive), weights_only=True, map_location="cpu")
    except LOAD_ERRORS as error:
        raise CheckpointError(
            f"{path}: holds something else than tensors and plain values, and could run code when loaded; "
            "do not trust where it comes from, remove it"
        ) from error


def _with_digest(archive: bytes | memoryview) -> bytes:
    """The zip archive with its digest as comment: torch ships its zip reader without the check of the CRCs."""
    digest = hashlib.sha256(archive).hexdigest().encode()
    return b"".join((archive[:-2], ZIP_COMMENT.pack(len(digest), digest)))


def remove_drafts(folder: Path) -> None:
    """Delete what a killed process left half-written."""
    for draft in folder.glob(".*.draft*"):
        os.unlink(draft)
