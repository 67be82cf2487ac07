"""Means that are computed on the device, and the transfer of numbers from it."""

import torch
from torch import Tensor


class RunningMean:
    """A mean over samples whose values arrive batch by batch; it is summed on the device of the values.

    Attributes:
        total: sum of the values; None before the first batch.
        count: number of samples.
    """

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count = 0

    def add(self, mean: Tensor, n: int) -> None:
        """Add `n` samples with the mean `mean`."""
        part = mean.detach() * n
        self.total = part if self.total is None else self.total + part
        self.count += n

    @property
    def value(self) -> Tensor | None:
        """The mean so far, as a tensor on the device; reading its number waits for the device."""
        return None if self.total is None else self.total / self.count


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the fraction of correct predictions.

    Args:
        logits: N×C; the predicted class of a row is that of its largest logit.
        targets: true classes, N.
    """
    return (logits.argmax(-1) == targets).float().mean()


def to_numbers(tensors: list[Tensor]) -> list[float]:
    """Return the numbers in tensors of one element, which are on the same device, with a single transfer."""
    return torch.stack(tensors).tolist() if tensors else []
