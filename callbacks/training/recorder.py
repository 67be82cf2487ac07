"""fastai's recorder, which reads the device at the end of an epoch and not at each step."""

from collections.abc import Callable
from typing import Any

import torch
from fastai.learner import Learner, Metric, Recorder
from torch import Tensor

from callbacks.training.means import RunningMean
from callbacks.training.rates import rate_groups

LISTS = ("lrs", "iters", "losses", "values")  # in which fastai's recorder keeps what it recorded


def epoch_figures(learn: Learner) -> dict[str, float]:
    """What the last epoch measured, by name: `train_loss`, `valid_loss`, then the metrics.

    An epoch without a validation has no figures of one.
    """
    figures = zip(learn.recorder.metric_names[1:], learn.final_record, strict=False)
    return {name: float(value) for name, value in figures if value is not None}


def to_numbers(tensors: list[Tensor]) -> list[float]:
    """The values of tensors of one element on one device, in one transfer."""
    return torch.stack(tensors).tolist() if tensors else []


class _SampleMean(Metric):
    """Mean over samples of what `_batch_mean` gives, summed on the device; reading `value` waits for the device."""

    def reset(self) -> None:
        self.mean = RunningMean()

    def accumulate(self, learn: Learner) -> None:
        self.mean.add(self._batch_mean(learn), len(learn.y))

    def _batch_mean(self, learn: Learner) -> Tensor:
        raise NotImplementedError

    @property
    def value(self) -> Tensor | None:
        return self.mean.value


class DeviceMean(_SampleMean):
    """Mean over samples of `func(pred, target)`."""

    def __init__(self, func: Callable[[Tensor, Tensor], Tensor], name: str | None = None) -> None:
        self.func, self.called = func, name

    def _batch_mean(self, learn: Learner) -> Tensor:
        return self.func(learn.pred, *learn.yb)

    @property
    def name(self) -> str:
        return self.called or self.func.__name__


class DeviceLoss(_SampleMean):
    """Mean over samples of the learner's loss."""

    def _batch_mean(self, learn: Learner) -> Tensor:
        return learn.loss.mean()

    @property
    def name(self) -> str:
        return "loss"


class SmoothLoss:
    """fastai's debiased exponential average of the training loss, in numbers.

    Args:
        beta: the share of the average that each step keeps.
    """

    def __init__(self, beta: float = 0.98) -> None:
        self.beta = beta
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, loss: float) -> float:
        """Take a step's loss into account, and return the average."""
        self.count += 1
        self.total = self.beta * self.total + (1 - self.beta) * loss
        return self._average()

    @property
    def value(self) -> float | None:
        return self._average() if self.count else None

    def _average(self) -> float:
        return self.total / (1 - self.beta**self.count)


class DeviceRecorder(Recorder):
    """`learn.recorder`, whose training loss is the mean over the images of the epoch.

    A training step only keeps its loss, on the device. `fetch` turns the losses since the last call into numbers.
    """

    name = "recorder"

    def __init__(self) -> None:
        super().__init__(add_time=False)
        self.loss, self.smooth_loss = DeviceLoss(), SmoothLoss()

    def before_fit(self) -> None:
        super().before_fit()
        self.pending: list[tuple[Tensor, int]] = []  # the loss of a step and its images, not yet fetched
        self.total, self.images = 0.0, 0

    def before_train(self) -> None:
        self.pending, self.total, self.images = [], 0.0, 0

    def after_batch(self) -> None:
        if not self.training:
            super().after_batch()
        elif self.yb:
            loss = self.learn.loss.detach()
            self.pending.append((loss.mean() if loss.ndim else loss, len(self.y)))
            self.lrs.append(rate_groups(self.opt)[-1]["lr"])

    def fetch(self) -> float | None:
        """The smoothed training loss as of the last step; waits for the device."""
        pending, self.pending = self.pending, []
        for loss, (_, n) in zip(to_numbers([loss for loss, _ in pending]), pending, strict=True):
            self.total, self.images = self.total + loss * n, self.images + n
            self.losses.append(self.smooth_loss.add(loss))
        return self.smooth_loss.value

    def after_train(self) -> None:
        self.learn.smooth_loss = self.fetch()
        if not self.cancel_train:
            self.log.append(self.total / self.images if self.images else None)

    def state_dict(self) -> dict[str, Any]:
        self.fetch()
        smooth = {"total": self.smooth_loss.total, "count": self.smooth_loss.count}
        epoch = {"total": self.total, "images": self.images}
        return {"smooth": smooth, "epoch": epoch} | {name: getattr(self, name) for name in LISTS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.smooth_loss.total, self.smooth_loss.count = state["smooth"]["total"], state["smooth"]["count"]
        self.pending, self.total, self.images = [], state["epoch"]["total"], state["epoch"]["images"]
        for name in LISTS:
            setattr(self, name, state[name])
