"""Ctrl-C and SIGTERM in a run of several processes, which receive a signal at different steps."""

import os
from pathlib import Path

from fastai.callback.core import Callback

from callbacks.checkpoint.interrupt import Interrupts
from callbacks.order import CHECKPOINT
from callbacks.parallel.processes import Processes

STOP_MESSAGE = b"\nstopping after this step\n"


class AgreedInterrupts(Interrupts):
    """Ends all processes after the same step once one of them has received SIGINT or SIGTERM.

    A second signal has no effect, because launchers forward a signal that the terminal has already sent.

    Args:
        checkpoint: path of the checkpoint file.
        processes: processes that train together.
    """

    def __init__(self, checkpoint: Path, processes: Processes) -> None:
        super().__init__(checkpoint)
        self.processes = processes

    def _on_signal(self, number: int) -> None:
        if self.caught is None and self.processes.is_first:
            os.write(2, STOP_MESSAGE)
        self.caught = number

    def stop_requested(self) -> bool:
        """Return whether any process has received a signal; the result is the same in all processes."""
        if agreed := self.processes.greatest(self.caught or 0):
            self.caught = agreed
        return agreed > 0

    def end(self) -> None:
        # When one process ends, the launcher ends the others: the first must have written the checkpoint before.
        self.processes.wait()
        super().end()


class EndOnSignal(Callback):
    """Ends the fit after a signal in the processes that write no checkpoint.

    Args:
        interrupts: signals of all processes.

    Raises:
        KeyboardInterrupt, SystemExit: a process has received a signal.
    """

    order = CHECKPOINT

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def after_batch(self) -> None:
        if self.interrupts.stop_requested():
            self.interrupts.end()
