"""Ctrl-C and SIGTERM as a wish that the training loop grants after its step."""

import os
import signal
import threading

NOTE = b"\nstopping after this step; a second time stops at once\n"


class Interrupts:
    """A context in which the first SIGINT or SIGTERM is noted; a second one does what it did before.

    Attributes:
        caught: the number of the signal, or None. Stays None outside the main thread, where Python allows no handler.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._former = {}

    def __enter__(self):
        self._owner = os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._former = {s: signal.signal(s, self._catch) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *raised):
        for number, handler in self._former.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self._former = {}

    def _catch(self, number, frame) -> None:
        self.__exit__()
        if os.getpid() == self._owner:  # a worker of the loader inherits this handler, and Ctrl-C goes to all
            self.caught = number
            os.write(2, NOTE)  # print is not safe in a handler: the signal may have come in the middle of one

    def end(self) -> None:
        """Raise what Python programs expect of the caught signal: KeyboardInterrupt, or SystemExit with 143."""
        if self.caught == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self.caught)
