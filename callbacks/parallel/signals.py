"""Ctrl-C and SIGTERM, which reach the processes of a run at different steps."""

import os
from pathlib import Path

from fastai.callback.core import Callback

from callbacks.checkpoint.interrupt import Interrupts
from callbacks.order import CHECKPOINT
from callbacks.parallel.processes import Processes

STOP_MESSAGE = b"\nstopping after this step\n"


class AgreedInterrupts(Interrupts):
    """The signals of all processes as one: all end after the same step.

    A launcher sends on the signal that a terminal has sent already, so a second one changes nothing here.

    Args:
        checkpoint: see `Interrupts`.
        processes: that train together.
    """

    def __init__(self, checkpoint: Path, processes: Processes) -> None:
        super().__init__(checkpoint)
        self.processes = processes

    def _note(self, number: int) -> None:
        if self.caught is None and self.processes.is_first:
            os.write(2, STOP_MESSAGE)
        self.caught = number

    def asked(self) -> bool:
        """Whether a process has caught a signal: the answer is the same in all of them."""
        if agreed := self.processes.greatest(self.caught or 0):
            self.caught = agreed
        return agreed > 0

    def end(self) -> None:
        self.processes.wait()  # the launcher ends the others as soon as one has ended: the checkpoint comes first
        super().end()


class EndOnSignal(Callback):
    """Ends the fit of a process that writes no checkpoint, together with the one that does.

    Args:
        interrupts: the signals of all processes.

    Raises:
        KeyboardInterrupt, SystemExit: after a signal.
    """

    order = CHECKPOINT

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def after_batch(self) -> None:
        if self.interrupts.asked():
            self.interrupts.end()
