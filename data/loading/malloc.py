"""Return the memory of freed large arrays to the system at once (glibc only)."""

import ctypes
import platform

M_MMAP_THRESHOLD = -3  # number of the option in malloc.h
MMAP_THRESHOLD_BYTES = 1 << 20  # size from which a block gets a memory mapping of its own


def return_large_blocks() -> None:
    """Make malloc return freed blocks of 1 MiB or more to the system at once; without glibc, do nothing.

    By default glibc raises this threshold to the size of the largest block freed so far. Later batches are then
    allocated on the heap, where small objects fragment it: a worker process grew by one batch of 25 MB per step.

    Source: mallopt(3), M_MMAP_THRESHOLD.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
