"""Keep glibc from hoarding the memory of large arrays."""

import ctypes
import platform

M_MMAP_THRESHOLD = -3  # of malloc.h
LARGE = 1 << 20  # bytes


def return_large_blocks() -> None:
    """From now on the memory of large arrays goes back to the system as soon as they are freed.

    glibc raises its threshold for that to the largest block that was ever freed; later ones come from the heap, where a
    small object in the gap of a batch keeps the next from fitting: a worker that makes batches of 25 MB grew by one
    each. Elsewhere than under glibc nothing is done. Source: mallopt(3), M_MMAP_THRESHOLD.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE)
