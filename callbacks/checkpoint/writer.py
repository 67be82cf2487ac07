"""Writes files while training goes on."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, Self

log = logging.getLogger(__name__)

Job = tuple[Callable, Path, *tuple[Any, ...]]  # a function that writes a file, the file, further arguments


class BackgroundWriter:
    """One thread that runs writes in the order of `submit`; a write that fails is told once and ends nothing.

    As a context it waits at the end for what was submitted; after a Ctrl-C only for the write that has begun.

    Attributes:
        failed: what the latest write of each path failed with; without those whose latest write succeeded.
    """

    def __init__(self) -> None:
        self.failed: dict[Path, OSError] = {}
        self._told = False
        self._crash: Exception | None = None
        self._jobs: Queue[Job | None] = Queue(maxsize=4)  # each may hold a copy of the model
        self._thread = Thread(target=self._work, daemon=True, name="writer")
        self._thread.start()

    def submit(self, write: Callable, path: Path, *args: Any) -> None:
        """Run `write(path, *args)` soon; waits where four others wait already."""
        self._jobs.put((write, path, *args))

    def wait(self) -> None:
        """Until all is written."""
        self._jobs.join()
        self._raise_crash()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        if kind and not issubclass(kind, Exception):
            self._drop()
        self._jobs.put(None)
        self._thread.join()  # Python ends a thread that is in torch's code at its exit by ending the process: SIGABRT
        if kind is None:
            self._raise_crash()

    def _raise_crash(self) -> None:
        if self._crash:
            raise self._crash

    def _drop(self) -> None:
        """Forget the writes that have not begun."""
        with suppress(Empty):
            while True:
                self._jobs.get_nowait()
                self._jobs.task_done()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._run(*job)
            except Exception as error:  # noqa: BLE001  raised again in `wait`, by the thread that can be stopped
                self._crash = error
            finally:
                del job  # its copy of the model
                self._jobs.task_done()

    def _run(self, write: Callable, path: Path, *args: Any) -> None:
        try:
            write(path, *args)
            self.failed.pop(path, None)
        except OSError as error:
            self.failed[path] = error
            if not self._told:
                self._told = True
                log.warning(
                    "%s cannot be written (%s); training goes on and will try again: free space or mend the folder",
                    path,
                    error.strerror or error,
                )
