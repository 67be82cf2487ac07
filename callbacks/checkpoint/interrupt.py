"""Ctrl-C and SIGTERM as a wish that the training loop grants after its step."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

NOTE = b"\nstopping after this step; a second time stops at once\n"

Handler = Callable[[int, FrameType | None], Any] | int | None  # of a signal, as Python's `signal` has it


class Interrupts:
    """A context in which the first SIGINT or SIGTERM is noted; a second one does what it did before.

    Attributes:
        caught: the number of the signal, or None. Stays None outside the main thread, where Python allows no handler.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._former: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> Self:
        self._owner = os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._former = {s: signal.signal(s, self._catch) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self._former = {}

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.__exit__()
        if os.getpid() == self._owner:  # a worker of the loader inherits this handler, and Ctrl-C goes to all
            self.caught = number
            os.write(2, NOTE)  # print is not safe in a handler: the signal may have come in the middle of one

    def end(self) -> None:
        """Raise what Python programs expect of the caught signal: KeyboardInterrupt, or SystemExit with 143."""
        if self.caught == signal.SIGINT:
            raise KeyboardInterrupt
        assert self.caught is not None
        raise SystemExit(128 + self.caught)
