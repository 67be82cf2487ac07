"""fastai's recorder, which reads the device at the end of an epoch and not at each step."""

import math
from collections.abc import Callable
from itertools import zip_longest
from typing import Any

from fastai.learner import Learner, Metric, Recorder
from fastcore.foundation import L
from torch import Tensor

from callbacks.picture import Picture
from callbacks.training.means import RunningMean
from callbacks.training.rates import rate_groups, rate_of
from callbacks.training.training_loss import TrainingLoss
from data.common.errors import TrainingError

RECORDED_LISTS = ("lrs", "iters", "losses", "values")  # in which fastai's recorder keeps what it recorded


def epoch_figures(learn: Learner) -> dict[str, float | None]:
    """What the last epoch of a fit measured, by name: the loss and metrics of training, then those of validation.

    None stands for what was not measured, because that part of the epoch was cancelled or never began.
    """
    names = learn.recorder.metric_names[1:]
    figures = zip_longest(names[:-1] if learn.recorder.add_time else names, learn.final_record)
    return {name: None if value is None else float(value) for name, value in figures}


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

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.mean.total, "count": self.mean.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.reset()
        self.mean.total, self.mean.count = state["total"], state["count"]


class DeviceMean(_SampleMean):
    """Mean over samples of `func(pred, target)`."""

    def __init__(self, func: Callable[[Tensor, Tensor], Tensor], name: str | None = None) -> None:
        self.func, self.called = func, name

    def _batch_mean(self, learn: Learner) -> Tensor:
        return self.func(learn.pred, *learn.yb)

    @property
    def name(self) -> str:
        return self.called or getattr(self.func, "func", self.func).__name__  # of a partial, what it calls


class DeviceLoss(_SampleMean):
    """Mean over samples of the learner's loss."""

    def _batch_mean(self, learn: Learner) -> Tensor:
        return learn.loss.mean()

    @property
    def name(self) -> str:
        return "loss"


class DeviceRecorder(Recorder):
    """`learn.recorder`, whose training loss is the mean over the images of the epoch.

    A training step only keeps its loss, on the device. Every row of a fit has all columns of `metric_names`. Where a
    part of an epoch was cancelled or never began, its columns are None in `learn.final_record`, and NaN in `values`,
    which fastai's trackers read. A cancelled training part counts with the steps that it took, a cancelled validation
    does not count.
    """

    name = "recorder"

    def __init__(self) -> None:
        super().__init__(add_time=False)
        self.loss, self.smooth_loss = DeviceLoss(), TrainingLoss()
        self._begin_epoch()

    def before_fit(self) -> None:
        super().before_fit()
        self.losses = self.smooth_loss.losses
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.smooth_loss.begin_epoch()
        self.measured: list[Metric | None] | None = None  # on training batches; None before a training part
        self.trained: list[float | None] | None = None  # the figures of a training part that has ended
        self.validated: list[float | None] | None = None

    def before_train(self) -> None:
        metrics = list(self.metrics) if self.train_metrics else []
        for metric in metrics:
            metric.reset()
        self.measured = metrics

    def after_batch(self) -> None:
        if not self.training:
            super().after_batch()
        elif self.yb:
            self.smooth_loss.add(self.learn.loss, len(self.y))
            self.lrs.append(rate_of(rate_groups(self.opt)[-1]))
            for metric in self.measured or []:
                if metric:
                    metric.accumulate(self.learn)

    def after_train(self) -> None:
        self.trained = [self.smooth_loss.mean, *(metric and _metric_value(metric) for metric in self.measured or [])]
        self.learn.smooth_loss = self.smooth_loss.value

    def after_validate(self) -> None:
        metrics = [self.loss, *self.metrics] if self.valid_metrics else []
        self.validated = [None if self.cancel_valid else _metric_value(metric) for metric in metrics]

    def after_epoch(self) -> None:
        if self.measured is not None and self.trained is None:
            self.after_train()  # the epoch was cancelled within its training part
        row = self._row()
        record = row if self.trained is not None or self.validated is None else self.validated
        self.log = L([self.epoch, *record])  # that of a validation on its own has no columns of training
        super().after_epoch()
        self.values[-1] = [math.nan if value is None else value for value in row]
        self._begin_epoch()

    def _row(self) -> list[float | None]:
        trained, validated = self.trained or [], self.validated or []
        columns = 1 + len(self.metrics) * self.train_metrics
        row = [*trained, *[None] * (columns - len(trained)), *validated]
        return row + [None] * (len(self.metric_names) - 1 - len(row))

    def plot_lr_find(self, *args: Any, **kwargs: Any) -> Picture:
        """The picture of the last `lr_find` of this learner; fastai's arguments for its own picture have no effect.

        Raises:
            TrainingError: there was none.
        """
        found = getattr(self.learn, "lr_found", None)
        if found is None:
            raise TrainingError("there is no search for a learning rate to draw yet: call lr_find first")
        return found.plot()

    def state_dict(self) -> dict[str, Any]:
        self.smooth_loss.fetch()
        smooth = {"total": self.smooth_loss.total, "count": self.smooth_loss.count}
        epoch = {"total": self.smooth_loss.epoch_total, "images": self.smooth_loss.images}
        metrics = [metric and _metric_state(metric) for metric in self.measured or []]
        return {"smooth": smooth, "epoch": epoch, "metrics": metrics} | {
            name: getattr(self, name) for name in RECORDED_LISTS
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """A metric without a state is left out of the training part that goes on: its column is None."""
        loss = self.smooth_loss
        loss.reset()
        loss.total, loss.count = state["smooth"]["total"], state["smooth"]["count"]
        loss.epoch_total, loss.images = state["epoch"]["total"], state["epoch"]["images"]
        for name in RECORDED_LISTS:
            setattr(self, name, state[name])
        loss.losses = self.losses
        kept = state.get("metrics", [])  # checkpoints had none when training batches had no metrics
        self.measured = [_restored_metric(*pair) for pair in zip(self.measured or [], kept, strict=False)]


def _metric_value(metric: Metric) -> Any:
    value = metric.value
    return value.item() if hasattr(value, "item") else value


def _metric_state(metric: Metric) -> dict[str, Any] | None:
    return metric.state_dict() if hasattr(metric, "state_dict") else None


def _restored_metric(metric: Metric, state: dict[str, Any] | None) -> Metric | None:
    if state is None:
        return None
    metric.load_state_dict(state)
    return metric
