"""Callbacks that write checkpoints and resume a run from one, with the same result as without the interruption."""

import logging
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from fastai.callback.core import Callback

from callbacks.checkpoint.checkpoint_file import write_state
from callbacks.checkpoint.interrupt import Interrupts
from callbacks.checkpoint.state import before_checkpoint, capture, check_state, is_finite, restore
from callbacks.checkpoint.writer import BackgroundWriter
from callbacks.order import CHECKPOINT, RESUME
from callbacks.training.rates import rate_and_momentum
from data.common.errors import TrainingError

log = logging.getLogger(__name__)


class Checkpoint(Callback):
    """Writes a checkpoint after the last training step of each epoch, every few minutes, and on a signal.

    Nothing is written after validation, which changes no saved state and is repeated on resume. The state is copied
    between two steps, and a background thread writes the file while training continues.

    Args:
        path: checkpoint file to replace.
        writer: thread that writes the file.
        interrupts: signals that end the run.
        recipe: settings of the run, in plain values.
        minutes: longest training time between two checkpoints.
        session: callbacks that the user added to the learner; see `capture`.

    Raises:
        TrainingError: the weights are not finite; the previous checkpoint stays.
        KeyboardInterrupt, SystemExit: after a signal, when the checkpoint has been written.
    """

    order = CHECKPOINT

    def __init__(
        self,
        path: Path,
        writer: BackgroundWriter,
        interrupts: Interrupts,
        recipe: dict[str, Any],
        minutes: float = 5,
        session: Sequence[Callback] = (),
    ) -> None:
        self.path, self.writer, self.interrupts = path, writer, interrupts
        self.recipe, self.minutes, self.session = recipe, minutes, session

    def before_fit(self) -> None:
        self.saved = perf_counter()

    def after_batch(self) -> None:
        stop = self.interrupts.stop_requested()
        if self.training and (stop or self._due()):
            self.save()
        if stop:
            self._stop()

    def _due(self) -> bool:
        return self.iter + 1 == self.n_iter or perf_counter() - self.saved >= 60 * self.minutes

    def save(self) -> None:
        """Copy the state and submit it to the writer.

        Raises:
            TrainingError: the weights are not finite, or another callback refused the state.
        """
        before_checkpoint(self.learn)
        state = capture(self.learn, self.recipe, self.session)
        if not is_finite(state):
            rate, _ = rate_and_momentum(self.opt)
            raise TrainingError(
                f"the weights are not finite after epoch {self.epoch}, step {self.iter}, learning rate {rate:.3g}; "
                "use a lower `lr`, for example the one that `lr_find` recommends"
            )
        self.writer.submit(write_state, self.path, state)
        self.saved = perf_counter()

    def _stop(self) -> None:
        self.writer.wait()
        error = self.writer.failed.get(self.path)
        kept = f"; {self.path} could not be written ({error}), so the previous checkpoint stays" if error else ""
        part = "" if self.training else " of the validation"
        log.warning(
            "stopped in epoch %d after step %d of %d%s%s; to resume: resume_learner('%s')",
            *(self.epoch, self.iter + 1, self.n_iter, part, kept, self.path.parent),
        )
        self.interrupts.end()


class Resume(Callback):
    """Starts a fit at the epoch and step at which `state` was captured.

    No events are fired for the epochs and steps that were already done.

    Args:
        state: result of `capture`; None to start from the beginning.
        path: path of the checkpoint, for messages.
    """

    order, run_valid = RESUME, False

    def __init__(self, state: dict[str, Any] | None, path: Path) -> None:
        self.state, self.path = state, path

    def before_fit(self) -> None:
        if self.state:
            check_state(self.learn, self.state, self.path)
            self.learn.first_epoch = self.state["epoch"]

    def before_train(self) -> None:
        if self.state:
            self.dls.train.start = self.state["step"]

    def before_batch(self) -> None:
        self._restore()

    def after_train(self) -> None:
        self._restore()  # needed if no step of the epoch is left

    def _restore(self) -> None:
        """Restore the state once; not earlier, because the other callbacks reset themselves for the new epoch."""
        if self.state:
            restore(self.learn, self.state, self.path)
            self.state = None
