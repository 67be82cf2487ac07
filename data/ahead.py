"""Make batches while the device works on those before them."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
AHEAD = 3  # batches


def ahead(batches: Iterator[T], count: int = AHEAD) -> Iterator[T]:
    """The same batches in the same order, of which up to `count` are made in a thread before they are asked for.

    Raises:
        Exception: what `batches` raises, in its turn.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        waiting = deque(pool.submit(next, batches, None) for _ in range(count))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, batches, None))
            yield batch
    finally:
        pool.shutdown(cancel_futures=True)
