"""An average of the weights, which is what validation and the end of a run see."""

from fastai.callback.core import Callback
from torch import Tensor
from torch.optim.swa_utils import get_swa_multi_avg_fn

from callbacks.optional import turned_on_by
from callbacks.order import WEIGHT_AVERAGE

to_mean = get_swa_multi_avg_fn()  # (averages, tensors, n): averages of n become averages of n + 1, in one launch

Tensors = dict[str, Tensor]  # by their names in the model


class WeightAverage(Callback):
    """Averages weights and norm statistics over the steps; the model holds the average wherever it is looked at.

    From the start of a validation until the next training part the model holds the average, so that callbacks judge and
    save what was measured. It also holds the average after a fit, however that ended, once a step was taken.

    The average is the mean of all steps until they are more than the horizon, and exponential from then on.

    Args:
        horizon: how many steps the average looks back on, as a fraction of the run.

    Source: Polyak and Juditsky 1992; exponential as in Tarvainen and Valpola 2017, https://arxiv.org/abs/1703.01780.
    """

    order, shapes_step = WEIGHT_AVERAGE, False

    def __init__(self, horizon: float = 0.05) -> None:
        self.horizon = horizon
        self._forget()

    def _forget(self) -> None:
        self.steps, self.average = 0, Tensors()
        self.trained: Tensors | None = None  # the weights that training goes on with, while the model holds the average

    def before_fit(self) -> None:
        self._forget()
        self.average = self._copy()
        self.most = max(1.0, self.horizon * self.n_epoch * len(self.dls.train))  # steps

    def _live(self) -> Tensors:
        """What is averaged: all but the counts of batches."""
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
        to_mean(self.averages, self.live, min(self.steps, self.most) - 1)

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
    return WeightAverage()
