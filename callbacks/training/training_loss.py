"""The training loss of a fit, transferred from the device only when its value is read."""

import torch
from torch import Tensor

from callbacks.training.means import to_numbers


class TrainingLoss:
    """The training loss: fastai's debiased exponential average over the steps, and the mean over an epoch's images.

    `add` keeps the loss on its device. Reading `value` or `mean` transfers the pending losses, which waits for the
    device.

    Args:
        beta: weight of the previous average in each step.

    Attributes:
        losses: the average after each step whose loss was transferred.
    """

    def __init__(self, beta: float = 0.98) -> None:
        self.beta = beta
        self.reset()

    def reset(self) -> None:
        """Forget all losses, at the start of a fit."""
        self.losses: list[float] = []
        self.total, self.count = 0.0, 0
        self.pending: list[tuple[Tensor, int]] = []  # (loss, number of images) of the steps not yet transferred
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Start the mean over the images of a new epoch."""
        self.epoch_total, self.images = 0.0, 0

    def add(self, loss: Tensor, n: int) -> None:
        """Add the mean loss of a step on `n` images."""
        loss = loss.detach()
        self.pending.append((loss.mean() if loss.ndim else loss, n))

    def fetch(self) -> None:
        """Transfer the losses since the last call; waits for the device."""
        pending, self.pending = self.pending, []
        for loss, (_, n) in zip(to_numbers([loss for loss, _ in pending]), pending, strict=True):
            self.epoch_total, self.images = self.epoch_total + loss * n, self.images + n
            self.count += 1
            self.total = self.beta * self.total + (1 - self.beta) * loss
            self.losses.append(self.total / (1 - self.beta**self.count))

    @property
    def value(self) -> Tensor | None:
        """The exponential average after the last step, a float64 scalar; None before the first step."""
        self.fetch()
        return torch.tensor(self.losses[-1], dtype=torch.float64) if self.losses else None

    @property
    def mean(self) -> float | None:
        """The mean over the images of the epoch so far; None if there were none."""
        self.fetch()
        return self.epoch_total / self.images if self.images else None
