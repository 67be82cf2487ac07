"""A loss that is NaN or infinite ends the run in the step or epoch in which it occurs."""

import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import nn

import callbacks.training.finite_loss
from callbacks.training.finite_loss import FiniteLoss
from data.common.errors import TrainingError


class BreaksAt(nn.Module):
    """A linear model whose output is not finite from one training step on, or only in validation."""

    def __init__(self, step=None, in_validation=False):
        super().__init__()
        self.net, self.step, self.in_validation, self.calls = nn.Linear(3, 2), step, in_validation, 0

    def forward(self, x):
        broken = self.in_validation if not self.training else self.calls == self.step
        self.calls += self.training
        return self.net(x) * (float("inf") if broken else 1.0)


def fit(model):
    batches = [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(4)]
    sgd = lambda params, lr: OptimWrapper(params, torch.optim.SGD, lr=lr)  # noqa: E731
    learn = Learner(DataLoaders(batches, batches), model, nn.CrossEntropyLoss(), opt_func=sgd, path=".")
    learn.remove_cb(learn.progress)
    learn.logger = lambda log: None
    learn.fit(3, 0.125, cbs=FiniteLoss())


def test_epoch_step_and_rate_are_named():
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 1 at step 6, learning rate 0\.125"):
        fit(BreaksAt(step=6))


def test_the_weights_have_not_taken_the_step():
    model = BreaksAt(step=6)
    with pytest.raises(TrainingError):
        fit(model)
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_a_late_look_still_names_the_step(monkeypatch):
    monkeypatch.setattr(callbacks.training.finite_loss, "DEVICES_CHECKED_EACH_STEP", ())
    with pytest.raises(TrainingError, match="at step 6"):
        fit(BreaksAt(step=6))


def test_validation_is_watched_too():
    with pytest.raises(TrainingError, match=r"valid_loss is nan after epoch 0"):
        fit(BreaksAt(in_validation=True))


def test_a_run_that_stays_finite_is_left_alone():
    fit(BreaksAt())
