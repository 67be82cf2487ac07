"""fastai's recorder without its synchronisation a step."""

from collections.abc import Callable

import torch
from fastai.learner import Metric, Recorder
from torch import Tensor


class DeviceMean(Metric):
    """Mean over samples of `func(pred, target)`, summed on the device; reading `value` is what waits for it."""

    def __init__(self, func: Callable[[Tensor, Tensor], Tensor]):
        self.func = func

    def reset(self):
        self.total, self.count = 0.0, 0

    def accumulate(self, learn):
        n = len(learn.y)
        self.total += self._batch_mean(learn).detach() * n
        self.count += n

    def _batch_mean(self, learn) -> Tensor:
        return self.func(learn.pred, *learn.yb)

    def state_dict(self):
        return {"total": self.total, "count": self.count}

    def load_state_dict(self, state):
        self.total, self.count = state["total"], state["count"]

    @property
    def value(self):
        return self.total / self.count if self.count else None

    @property
    def name(self):
        return self.func.__name__


class DeviceLoss(DeviceMean):
    """Mean over samples of the learner's loss."""

    def __init__(self):
        super().__init__(func=None)

    def _batch_mean(self, learn) -> Tensor:
        return learn.loss.mean()

    @property
    def name(self):
        return "loss"


class DeviceSmoothLoss(DeviceLoss):
    """fastai's debiased exponential average of the training loss, kept on the device."""

    def __init__(self, beta: float = 0.98):
        super().__init__()
        self.beta = beta
        self.reset()

    def accumulate(self, learn):
        self.count += 1
        self.total = self.beta * self.total + (1 - self.beta) * learn.loss.detach().mean()

    @property
    def value(self):
        return self.total / (1 - self.beta**self.count)


class DeviceRecorder(Recorder):
    """`learn.recorder` with sums on the device, read once an epoch; its training loss is the mean of the epoch."""

    name = "recorder"

    def __init__(self):
        super().__init__(add_time=False)
        self.loss, self.epoch_loss, self.smooth_loss = DeviceLoss(), DeviceLoss(), DeviceSmoothLoss()

    def before_train(self):
        super().before_train()
        self.epoch_loss.reset()

    def after_batch(self):
        super().after_batch()
        if self.training and len(self.yb):
            self.epoch_loss.accumulate(self.learn)

    def after_train(self):
        if not self.cancel_train:
            self.log.append(float(self.epoch_loss.value))
        self._fetch_losses()

    def state_dict(self):
        self._fetch_losses()
        means = {"epoch_loss": self.epoch_loss.state_dict(), "smooth_loss": self.smooth_loss.state_dict()}
        return means | {name: getattr(self, name) for name in self._stateattrs}

    def load_state_dict(self, state):
        self.epoch_loss.load_state_dict(state["epoch_loss"])
        self.smooth_loss.load_state_dict(state["smooth_loss"])
        for name in self._stateattrs:
            setattr(self, name, state[name])

    def _fetch_losses(self):
        """The step losses since the last call become numbers, in one transfer, for `plot_loss`."""
        fresh = [loss for loss in self.losses if isinstance(loss, Tensor)]
        if fresh:
            self.losses[-len(fresh) :] = torch.stack(fresh).tolist()
