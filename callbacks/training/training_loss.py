"""The training loss of a fit, which reads the device when it is asked for and not at each step."""

import torch
from torch import Tensor

from callbacks.training.means import to_numbers


class TrainingLoss:
    """The training loss: fastai's debiased exponential average over the steps, and the mean over an epoch's images.

    `add` only keeps a loss, on its device. To read `value` or `mean` turns those that were kept into numbers, which
    waits for the device.

    Args:
        beta: the share of the average that each step keeps.

    Attributes:
        losses: the average as of each step that was turned into a number.
    """

    def __init__(self, beta: float = 0.98) -> None:
        self.beta = beta
        self.reset()

    def reset(self) -> None:
        """Begin a fit."""
        self.losses: list[float] = []
        self.total, self.count = 0.0, 0
        self.pending: list[tuple[Tensor, int]] = []  # the loss of a step and its images
        self.begin_epoch()

    def begin_epoch(self) -> None:
        self.epoch_total, self.images = 0.0, 0

    def add(self, loss: Tensor, n: int) -> None:
        """Take the loss of a step on n images into account."""
        loss = loss.detach()
        self.pending.append((loss.mean() if loss.ndim else loss, n))

    def fetch(self) -> None:
        """Turn the losses since the last call into numbers; waits for the device."""
        pending, self.pending = self.pending, []
        for loss, (_, n) in zip(to_numbers([loss for loss, _ in pending]), pending, strict=True):
            self.epoch_total, self.images = self.epoch_total + loss * n, self.images + n
            self.count += 1
            self.total = self.beta * self.total + (1 - self.beta) * loss
            self.losses.append(self.total / (1 - self.beta**self.count))

    @property
    def value(self) -> Tensor | None:
        """The average as of the last step, one number of type float64; None before the first step."""
        self.fetch()
        return torch.tensor(self.losses[-1], dtype=torch.float64) if self.losses else None

    @property
    def mean(self) -> float | None:
        """Over the images of the epoch so far; None where there were none."""
        self.fetch()
        return self.epoch_total / self.images if self.images else None
