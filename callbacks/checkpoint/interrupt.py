"""Deferral of Ctrl-C and SIGTERM to the end of the current step."""

import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

log = logging.getLogger(__name__)

STOP_MESSAGE = b"\nstopping after this step; press Ctrl-C again to stop at once\n"

Handler = Callable[[int, FrameType | None], Any] | int | None  # handler of a signal, as in Python's module `signal`


class Interrupts:
    """A context that records the first SIGINT or SIGTERM; a second signal goes to the previous handler.

    Args:
        checkpoint: path of the checkpoint file, for the message after a second Ctrl-C.

    Attributes:
        caught: number of the recorded signal, or None. It stays None outside the main thread, because Python allows
            signal handlers only there.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.caught: int | None = None
        self._ended = False
        self._previous_handlers: dict[signal.Signals, Handler] = {}

    def __enter__(self) -> Self:
        self._process_id = os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._previous_handlers = {s: signal.signal(s, self._catch) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        self._restore_handlers()
        if kind is KeyboardInterrupt and not self._ended:
            start = "the last checkpoint" if self.checkpoint.exists() else "the beginning (there is no checkpoint yet)"
            log.warning("stopped at once; to resume from %s: resume_learner('%s')", start, self.checkpoint.parent)

    def _restore_handlers(self) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self._previous_handlers = {}

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._process_id:
            self._on_signal(number)
        else:  # loader workers inherit this handler, and Ctrl-C reaches all processes
            self._restore_handlers()

    def _on_signal(self, number: int) -> None:
        self._restore_handlers()
        self.caught = number
        os.write(2, STOP_MESSAGE)  # not `print`, which is not safe in a handler: the signal may interrupt a `print`

    def stop_requested(self) -> bool:
        """Return whether the run should end after the current step."""
        return self.caught is not None

    def end(self) -> None:
        """End the run as the recorded signal requires.

        Raises:
            KeyboardInterrupt: after SIGINT.
            SystemExit: with exit code 143 after SIGTERM.
        """
        self._ended = True
        if self.caught == signal.SIGINT:
            raise KeyboardInterrupt
        assert self.caught is not None
        raise SystemExit(128 + self.caught)
