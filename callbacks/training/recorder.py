"""fastai's recorder, changed to wait for the device once per epoch and not at each step."""

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

RECORDED_LISTS = ("lrs", "iters", "losses", "values")  # attributes in which fastai's recorder keeps its records


def epoch_figures(learn: Learner) -> dict[str, float | None]:
    """Return the losses and metrics of the last epoch of a fit by name: first of training, then of validation.

    A value is None if it was not measured because that part of the epoch was cancelled or skipped.
    """
    names = learn.recorder.metric_names[1:]
    figures = zip_longest(names[:-1] if learn.recorder.add_time else names, learn.final_record)
    return {name: None if value is None else float(value) for name, value in figures}


class _SampleMean(Metric):
    """Mean over samples of the batch means from `_batch_mean`, summed on the device.

    Reading the number in `value` waits for the device.
    """

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
    """The mean over samples of `func(pred, target)`, which returns the mean of a batch."""

    def __init__(self, func: Callable[[Tensor, Tensor], Tensor], name: str | None = None) -> None:
        self.func, self.called = func, name

    def _batch_mean(self, learn: Learner) -> Tensor:
        return self.func(learn.pred, *learn.yb)

    @property
    def name(self) -> str:
        return self.called or getattr(self.func, "func", self.func).__name__  # `func.func` if it is a partial


class DeviceLoss(_SampleMean):
    """The mean over samples of the learner's loss."""

    def _batch_mean(self, learn: Learner) -> Tensor:
        return learn.loss.mean()

    @property
    def name(self) -> str:
        return "loss"


class DeviceRecorder(Recorder):
    """The learner's recorder; its training loss is the mean over the images of the epoch.

    Each training step keeps its loss on the device. Every row of a fit has all columns of `metric_names`. Values that
    were not measured, because that part of the epoch was cancelled or skipped, are None in `learn.final_record` and NaN
    in `values`, which fastai's trackers read. A cancelled training part is measured by the steps that it took; a
    cancelled validation is not measured.
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
        self.measured: list[Metric | None] | None = None  # metrics of training batches; None before a training part
        self.trained: list[float | None] | None = None  # values of the training part, set when it has ended
        self.validated: list[float | None] | None = None  # values of the validation, set when it has ended

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
            self.after_train()  # the epoch was cancelled during its training part
        row = self._row()
        record = row if self.trained is not None or self.validated is None else self.validated
        self.log = L([self.epoch, *record])  # after `validate` alone, the record has no training columns
        super().after_epoch()
        self.values[-1] = [math.nan if value is None else value for value in row]
        self._begin_epoch()

    def _row(self) -> list[float | None]:
        trained, validated = self.trained or [], self.validated or []
        columns = 1 + len(self.metrics) * self.train_metrics
        row = [*trained, *[None] * (columns - len(trained)), *validated]
        return row + [None] * (len(self.metric_names) - 1 - len(row))

    def plot_lr_find(self, *args: Any, **kwargs: Any) -> Picture:
        """Plot the result of the last `lr_find` of this learner; the arguments of fastai's method are ignored.

        Raises:
            TrainingError: `lr_find` was not called before.
        """
        found = getattr(self.learn, "lr_found", None)
        if found is None:
            raise TrainingError("there is no learning-rate search to plot: call `lr_find` first")
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
        """Restore the state; a metric without a state is not measured for the rest of the epoch's training part.

        Its training column of that epoch is None.
        """
        loss = self.smooth_loss
        loss.reset()
        loss.total, loss.count = state["smooth"]["total"], state["smooth"]["count"]
        loss.epoch_total, loss.images = state["epoch"]["total"], state["epoch"]["images"]
        for name in RECORDED_LISTS:
            setattr(self, name, state[name])
        loss.losses = self.losses
        kept = state.get("metrics", [])  # older checkpoints have no metrics of training batches
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
