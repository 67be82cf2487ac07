"""Explain out-of-memory errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from data.common.errors import TrainingError


@contextmanager
def naming_memory(bs: int) -> Iterator[None]:
    """In this context an out-of-memory error of any device becomes an error that names a batch size to try.

    Args:
        bs: the batch size, in images.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_allocation(error):
            raise
        smaller = f"try `batch_size` {bs // 2}" if bs > 1 else "smaller images (`size`) may fit"
        raise TrainingError(f"out of memory with batches of {bs}; {smaller}") from error


def _is_allocation(error: Exception) -> bool:
    """Return whether an error means that memory ran out; for CPU and MPS torch raises a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "DefaultCPUAllocator" in str(error) or "MPS backend out of memory" in str(error)
