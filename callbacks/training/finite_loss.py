"""A callback that ends a run whose loss is NaN or infinite."""

import math

from fastai.callback.core import Callback
from torch import Tensor

from callbacks.order import FINITE_LOSS
from callbacks.training.means import to_numbers
from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import epoch_figures
from data.common.errors import TrainingError

STEPS_BETWEEN_CHECKS = 50  # steps between checks on an accelerator, where reading a loss waits for the device
DEVICES_CHECKED_EACH_STEP = ("cpu",)  # device types on which reading a loss costs no waiting


class FiniteLoss(Callback):
    """Ends the run when a loss or a metric is NaN or infinite.

    Raises:
        TrainingError: names the epoch, step and learning rate. For the training loss on a CPU it is raised in the step
            itself, before the gradient is used; on other devices within 50 steps. The metrics and the validation loss
            are checked at the end of the epoch.
    """

    order = FINITE_LOSS

    def before_fit(self) -> None:
        self.pending: list[tuple[Tensor, int, int, float]] = []  # (loss, epoch, step, learning rate) not yet checked

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
        """Check the losses since the last check; waits for the device."""
        pending, self.pending = self.pending, []
        for loss, (_, epoch, step, rate) in zip(to_numbers([loss for loss, *_ in pending]), pending, strict=True):
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the training loss is {loss} in epoch {epoch} at step {step}, learning rate {rate:.3g}; "
                    "use a lower `lr`, for example the one that `lr_find` recommends"
                )

    def after_epoch(self) -> None:
        for name, value in epoch_figures(self.learn).items():
            if value is not None and not math.isfinite(value):
                raise TrainingError(f"{name} is {value} after epoch {self.epoch}; use a lower `lr`")
