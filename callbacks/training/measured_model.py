"""A record of the weights that the last validation measured."""

from fastai.callback.core import Callback
from torch import Tensor, equal, nn

from callbacks.order import MEASURED_MODEL


class MeasuredModel(Callback):
    """Keeps a copy of the weights that the last complete validation measured.

    Attributes:
        measured_epoch: the epoch of that validation; None if there was none, or if the last one was cancelled.
    """

    order = MEASURED_MODEL

    def before_fit(self) -> None:
        self.measured_epoch: int | None = None
        self.copied: dict[str, Tensor] | None = None

    def before_validate(self) -> None:
        self.measured_epoch = None
        self.copied = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def after_cancel_validate(self) -> None:
        self.copied = None  # the validation measured only a part of the images

    def after_validate(self) -> None:
        self.measured_epoch = None if self.copied is None else self.epoch

    def measured(self, model: nn.Module, epoch: int) -> bool:
        """Return whether the last validation was that of `epoch` and measured exactly the weights of `model`."""
        now, then = model.state_dict(), self.copied or {}
        same = now.keys() == then.keys() and all(equal(now[name], tensor) for name, tensor in then.items())
        return self.measured_epoch == epoch and same
