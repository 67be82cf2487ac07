"""Ctrl-C and SIGTERM as a wish that the training loop grants after its step."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

log = logging.getLogger(__name__)

STOP_MESSAGE = b"\nstopping after this step; a second time stops at once\n"

Handler = Callable[[int, FrameType | None], Any] | int | None  # of a signal, as Python's `signal` has it


class Interrupts:
    """A context in which the first SIGINT or SIGTERM is noted; a second one does what it did before.

    Args:
        checkpoint: what a run that a second Ctrl-C ended can be resumed from.

    Attributes:
        caught: the number of the signal, or None. Stays None outside the main thread, where Python allows no handler.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.caught: int | None = None
        self._granted = False
        self._former: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> Self:
        self._owner = os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._former = {s: signal.signal(s, self._catch) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self._give_back()
        if kind is KeyboardInterrupt and not self._granted:
            kept = (
                "the last checkpoint" if self.checkpoint.exists() else "the beginning, for there is no checkpoint yet"
            )
            log.warning("stopped at once; to resume from %s: resume_learner('%s')", kept, self.checkpoint.parent)

    def _give_back(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self._former = {}

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._owner:
            self._note(number)
        else:  # a worker of the loader inherits this handler, and Ctrl-C goes to all
            self._give_back()

    def _note(self, number: int) -> None:
        self._give_back()
        self.caught = number
        os.write(2, STOP_MESSAGE)  # print is not safe in a handler: the signal may have come in the middle of one

    def asked(self) -> bool:
        """Whether the run is to end after the present step."""
        return self.caught is not None

    def end(self) -> None:
        """Raise what Python programs expect of the caught signal: KeyboardInterrupt, or SystemExit with 143."""
        self._granted = True
        if self.caught == signal.SIGINT:
            raise KeyboardInterrupt
        assert self.caught is not None
        raise SystemExit(128 + self.caught)
