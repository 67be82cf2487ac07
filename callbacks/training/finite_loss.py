"""Stops a run whose loss is no longer a number."""

import math

from fastai.callback.core import Callback
from torch import Tensor

from callbacks.order import FINITE_LOSS
from callbacks.training.means import to_numbers
from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import epoch_figures
from data.common.errors import TrainingError

STEPS_BETWEEN_CHECKS = 50  # steps on an accelerator, where a look at the loss waits for the device
DEVICES_CHECKED_EACH_STEP = ("cpu",)


class FiniteLoss(Callback):
    """Ends the run with the epoch, step and rate at which the training loss stopped being finite.

    Raises:
        TrainingError: in the step itself on a CPU, before its gradient is used; within 50 steps elsewhere.
    """

    order = FINITE_LOSS

    def before_fit(self) -> None:
        self.pending: list[tuple[Tensor, int, int, float]] = []  # (loss, epoch, step, rate) not yet looked at

    def after_loss(self) -> None:
        if not self.training:
            return
        loss = self.learn.loss.detach()
        self.pending.append((loss, self.epoch, self.epoch * self.n_iter + self.iter, rate_and_momentum(self.opt)[0]))
        if loss.device.type in DEVICES_CHECKED_EACH_STEP or len(self.pending) >= STEPS_BETWEEN_CHECKS:
            self.before_checkpoint()

    def after_train(self) -> None:
        self.before_checkpoint()

    def before_checkpoint(self) -> None:
        """Look at the losses since the last look."""
        pending, self.pending = self.pending, []
        for loss, (_, epoch, step, rate) in zip(to_numbers([loss for loss, *_ in pending]), pending, strict=True):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the training loss is {loss} in epoch {epoch} at step {step}, rate {rate:.3g}; "
                    "a lower `lr` usually helps, `lr_find` measures one"
                )

    def after_epoch(self) -> None:
        for name, value in epoch_figures(self.learn).items():
            if value is not None and not math.isfinite(value):
                raise TrainingError(f"{name} is {value} after epoch {self.epoch}; a lower `lr` usually helps")
