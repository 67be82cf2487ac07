"""Running out of memory, in words that help."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from data.common.errors import TrainingError


@contextmanager
def naming_memory(bs: int) -> Iterator[None]:
    """Turn an allocation that failed on any device into a `TrainingError` that names a batch size to try."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_allocation(error):
            raise
        smaller = f"try `batch_size` {bs // 2}" if bs > 1 else "smaller images (`size`) may fit"
        raise TrainingError(f"out of memory with batches of {bs}; {smaller}") from error


def _is_allocation(error: Exception) -> bool:
    """CUDA has an error of its own for it; the allocators of CPU and MPS raise a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "DefaultCPUAllocator" in str(error) or "MPS backend out of memory" in str(error)
