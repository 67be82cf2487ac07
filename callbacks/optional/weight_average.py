"""An average of the weights over the training steps, which validation measures and the run saves."""

from fastai.callback.core import Callback
from torch import Tensor
from torch.optim.swa_utils import get_swa_multi_avg_fn

from callbacks.optional import turned_on_by
from callbacks.order import WEIGHT_AVERAGE

update_means = get_swa_multi_avg_fn()  # (means, tensors, n): updates means of n values to means of n + 1, in place

Tensors = dict[str, Tensor]  # tensors by their names in the model


class WeightAverage(Callback):
    """Averages weights and norm statistics over the steps, and puts the average into the model outside training.

    The model holds the average from the start of a validation until the next training part, so that other callbacks
    save the weights that were measured. It also holds the average after a fit that took a step, also after an
    exception.

    The average is the mean over all steps while their number is below the horizon, and an exponential moving average
    after that.

    Args:
        horizon: number of steps that the average covers, as a fraction of the run.

    Source: Polyak and Juditsky 1992; exponential as in Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780.
    """

    order, shapes_step = WEIGHT_AVERAGE, False

    def __init__(self, horizon: float = 0.05) -> None:
        self.horizon = horizon
        self._forget()

    def _forget(self) -> None:
        self.steps, self.average = 0, Tensors()
        self.trained: Tensors | None = None  # weights of the last step, kept while the model holds the average

    def before_fit(self) -> None:
        self._forget()
        self.average = self._copy()
        self.max_steps = max(1.0, self.horizon * self.n_epoch * len(self.dls.train))

    def _live(self) -> Tensors:
        """Return the tensors that are averaged: all of the model except the batch counts of norm layers."""
        return {name: tensor for name, tensor in self.model.state_dict().items() if tensor.is_floating_point()}

    def _copy(self) -> Tensors:
        return {name: tensor.clone() for name, tensor in self._live().items()}

    def before_train(self) -> None:
        if self.trained:
            self.model.load_state_dict(self.trained, strict=False)
            self.trained = None
        self.averages, self.live = list(self.average.values()), list(self._live().values())

    def after_step(self) -> None:
        self.steps += 1
        update_means(self.averages, self.live, min(self.steps, self.max_steps) - 1)

    def before_validate(self) -> None:
        if self.steps and not self.trained:
            self.trained = self._copy()
            self.model.load_state_dict(self.average, strict=False)

    def after_cancel_fit(self) -> None:
        self.after_fit()

    def after_fit(self) -> None:
        self.before_validate()
        self._forget()

    def state_dict(self) -> dict:
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, state: dict) -> None:
        self.steps = state["steps"]
        for name, tensor in self.average.items():
            tensor.copy_(state["average"][name])


@turned_on_by("ema")
def weight_average(on: bool) -> WeightAverage:
    """Return the callback with its default horizon; the setting `ema` only turns it on."""
    return WeightAverage()
