"""A mean that is summed where its parts are."""

from torch import Tensor


class RunningMean:
    """The mean over samples of values that come batch by batch, summed on their device.

    Attributes:
        total, count: the sum, and the number of samples.
    """

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, mean: Tensor, n: int) -> None:
        """Take `n` samples into account whose mean is `mean`."""
        self.total = self.total + mean.detach() * n
        self.count += n

    @property
    def value(self) -> Tensor | None:
        """The mean so far, a tensor: to read its number waits for the device."""
        return self.total / self.count if self.count else None


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """The fraction of the rows of `logits`, N×C, whose greatest is at the target, N."""
    return (logits.argmax(-1) == targets).float().mean()
