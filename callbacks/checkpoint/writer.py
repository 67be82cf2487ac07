"""A thread that writes files while training continues."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, Self

log = logging.getLogger(__name__)

Job = tuple[Callable, Path, *tuple[Any, ...]]  # function that writes a file, path of the file, further arguments


class BackgroundWriter:
    """A thread that runs submitted writes in their order.

    A failed write is logged once and training continues. As a context manager it waits at the end for all submitted
    writes, or after Ctrl-C only for the current one.

    Attributes:
        failed: the error of each path whose latest write failed.
    """

    def __init__(self) -> None:
        self.failed: dict[Path, OSError] = {}
        self._warned = False
        self._crash: Exception | None = None
        self._jobs: Queue[Job | None] = Queue(maxsize=4)  # each may hold a copy of the model
        self._thread = Thread(target=self._work, daemon=True, name="writer")
        self._thread.start()

    def submit(self, write: Callable, path: Path, *args: Any) -> None:
        """Queue the call `write(path, *args)`; waits while four others are queued."""
        self._jobs.put((write, path, *args))

    def wait(self) -> None:
        """Wait until all submitted writes are done; raises an exception of a write other than `OSError`."""
        self._jobs.join()
        self._raise_crash()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind and not issubclass(kind, Exception):
            self._drop()
        self._jobs.put(None)
        self._thread.join()  # without it, a thread that is in torch's code when Python exits aborts the process
        if kind is None:
            self._raise_crash()

    def _raise_crash(self) -> None:
        if self._crash:
            raise self._crash

    def _drop(self) -> None:
        """Remove the writes that have not started."""
        with suppress(Empty):
            while True:
                self._jobs.get_nowait()
                self._jobs.task_done()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._run(*job)
            except Exception as error:  # noqa: BLE001  raised again in the calling thread, by `wait` or `__exit__`
                self._crash = error
            finally:
                del job  # frees the copy of the model
                self._jobs.task_done()

    def _run(self, write: Callable, path: Path, *args: Any) -> None:
        try:
            write(path, *args)
            self.failed.pop(path, None)
        except OSError as error:
            self.failed[path] = error
            if not self._warned:
                self._warned = True
                log.warning(
                    "%s cannot be written (%s); training continues and tries again at the next write: free disk space "
                    "or fix the folder",
                    path,
                    error.strerror or error,
                )
