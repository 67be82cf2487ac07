"""Writes where a run is, so that it can be continued as if it had never stopped."""

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
    """Writes all state after the last step of each epoch, and within it every few minutes and on a signal.

    There is no write after the validation: it changes nothing that is kept, and repeats when the run goes on.
    Copies are taken between two steps; the file is written while training goes on.

    Args:
        path: the file to replace.
        writer: what writes it.
        interrupts: the signals that end the run.
        recipe: the settings of the run, in plain values.
        minutes: the longest training time to lose.
        session: the callbacks that were added to the learner; see `capture`.

    Raises:
        TrainingError: weights that are not finite; the checkpoint before them stands.
        KeyboardInterrupt, SystemExit: after a signal, once the state is on the disk.
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
        stop = self.interrupts.asked()
        if self.training and (stop or self._due()):
            self.save()
        if stop:
            self._stop()

    def _due(self) -> bool:
        return self.iter + 1 == self.n_iter or perf_counter() - self.saved >= 60 * self.minutes

    def save(self) -> None:
        before_checkpoint(self.learn)
        state = capture(self.learn, self.recipe, self.session)
        if not is_finite(state):
            rate, _ = rate_and_momentum(self.opt)
            raise TrainingError(
                f"the weights are not finite after epoch {self.epoch}, step {self.iter}, rate {rate:.3g}; "
                "a lower `lr` usually helps, `lr_find` measures one"
            )
        self.writer.submit(write_state, self.path, state)
        self.saved = perf_counter()

    def _stop(self) -> None:
        self.writer.wait()
        error = self.writer.failed.get(self.path)
        kept = f"; {self.path} could not be written ({error}), it is the one before" if error else ""
        part = "" if self.training else " of the validation"
        log.warning(
            "stopped in epoch %d after step %d of %d%s%s; to resume: resume_learner('%s')",
            *(self.epoch, self.iter + 1, self.n_iter, part, kept, self.path.parent),
        )
        self.interrupts.end()


class Resume(Callback):
    """Begins a fit where `state` was captured; without one it does nothing.

    No event is fired for an epoch or a step that was already done.

    Args:
        state: see `capture`.
        path: of the checkpoint, for messages.
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
        self._restore()  # where no step of the epoch was left

    def _restore(self) -> None:
        """Only now: all others have set themselves back for the new epoch."""
        if self.state:
            restore(self.learn, self.state, self.path)
            self.state = None
