"""The measured wait is only the time of the loader, on a clock that the test sets."""

import fastai.callback.progress  # noqa: F401  gives learners `no_bar`
import pytest
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import nn

import callbacks.training.loader_wait
from callbacks.training.loader_wait import LoaderWait


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Slow(list):
    """A loader whose batches each take some seconds of the clock."""

    def __init__(self, batches, clock, seconds):
        super().__init__(batches)
        self.clock, self.seconds = clock, seconds

    def __iter__(self):
        for batch in super().__iter__():
            self.clock.now += self.seconds
            yield batch


class Busy(Callback):
    """A callback that takes ten seconds of the clock in a step and ten after it."""

    def __init__(self, clock):
        self.clock = clock

    def after_pred(self):
        self.clock.now += 10

    def after_batch(self):
        self.clock.now += 10


@pytest.mark.parametrize("seconds", [0.0, 0.25])
def test_it_holds_what_the_loader_took_and_neither_the_steps_nor_the_validation(monkeypatch, seconds):
    clock, record = Clock(), LoaderWait()
    monkeypatch.setattr(callbacks.training.loader_wait, "perf_counter", clock)
    batches = [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(4)]
    dls = DataLoaders(Slow(batches, clock, seconds), Slow(batches, clock, 3.0))
    learn = Learner(dls, nn.Linear(3, 2), nn.CrossEntropyLoss(), path=".", model_dir=".")
    learn.logger = print
    with learn.no_bar(), learn.no_logging():
        learn.fit(2, lr=0.1, cbs=[record, Busy(clock)])
    assert record.seconds == 2 * 4 * seconds
