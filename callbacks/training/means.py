"""A mean that is summed where its parts are, and numbers in one transfer."""

import torch
from torch import Tensor


class RunningMean:
    """The mean over samples of values that come batch by batch, summed on their device.

    Attributes:
        total, count: the sum, None before the first batch, and the number of samples.
    """

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count = 0

    def add(self, mean: Tensor, n: int) -> None:
        """Take `n` samples into account whose mean is `mean`."""
        part = mean.detach() * n
        self.total = part if self.total is None else self.total + part
        self.count += n

    @property
    def value(self) -> Tensor | None:
        """The mean so far, a tensor: to read its number waits for the device."""
        return None if self.total is None else self.total / self.count


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The fraction of the rows of `logits`, N×C, whose greatest is at the target, N."""
    return (logits.argmax(-1) == targets).float().mean()


def to_numbers(tensors: list[Tensor]) -> list[float]:
    """The values of tensors of one element on one device, in one transfer."""
    return torch.stack(tensors).tolist() if tensors else []
