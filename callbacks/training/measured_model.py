"""Which weights the last validation measured."""

from fastai.callback.core import Callback
from torch import Tensor, equal, nn

from callbacks.order import MEASURED


class MeasuredModel(Callback):
    """Keeps a copy of the weights of the last whole validation.

    Attributes:
        measured_epoch: the epoch that it ended; None before the first.
    """

    order = MEASURED

    def before_fit(self) -> None:
        self.measured_epoch: int | None = None
        self.copied: dict[str, Tensor] | None = None

    def before_validate(self) -> None:
        self.measured_epoch = None
        self.copied = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def after_cancel_validate(self) -> None:
        self.copied = None  # only a part of the images was seen

    def after_validate(self) -> None:
        self.measured_epoch = None if self.copied is None else self.epoch

    def measured(self, model: nn.Module, epoch: int) -> bool:
        """Whether that validation ended this epoch and measured the weights that the model has now, to the last bit."""
        now, then = model.state_dict(), self.copied or {}
        same = now.keys() == then.keys() and all(equal(now[name], tensor) for name, tensor in then.items())
        return self.measured_epoch == epoch and same
