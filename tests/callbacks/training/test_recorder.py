"""The recorder's values are those of fastai's recorder, but it does not wait for the device in each step."""

import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner, Recorder
from fastai.metrics import accuracy
from fastai.torch_core import set_seed
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from callbacks.training.history import History
from callbacks.training.recorder import DeviceMean, DeviceRecorder


def learner(n_batches=5, **kwargs):
    set_seed(0)
    batches = [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(n_batches)]
    batches.append((torch.randn(3, 3), torch.randint(0, 2, (3,))))  # a short last batch weighs less
    learn = Learner(DataLoaders(batches, batches), nn.Linear(3, 2), nn.CrossEntropyLoss(), path=".", **kwargs)
    learn.remove_cb(learn.progress)
    learn.logger = lambda log: None
    return learn


def ours(**kwargs):
    learn = learner(metrics=DeviceMean(accuracy), **kwargs)
    learn.remove_cb(Recorder)
    return learn.add_cb(DeviceRecorder())


def test_validation_figures_and_smooth_losses_are_fastais():
    theirs, learn = learner(metrics=accuracy), ours()
    theirs.fit(2, 0.1)
    learn.fit(2, 0.1)
    assert learn.recorder.metric_names == theirs.recorder.metric_names[:-1]  # theirs ends in the time
    for row, expected in zip(learn.recorder.values, theirs.recorder.values, strict=True):
        assert list(row[1:]) == pytest.approx(list(expected[1:]), rel=1e-6)
    assert learn.smooth_loss == learn.recorder.losses[-1]
    assert learn.recorder.losses == pytest.approx([float(loss) for loss in theirs.recorder.losses], rel=1e-5)


def test_the_training_loss_is_the_mean_over_the_images_of_the_epoch():
    learn, losses = ours(), []
    learn.fit(1, 0.0)  # nothing moves, so that every batch can be weighed afterwards
    for x, y in learn.dls.train:
        losses += nn.functional.cross_entropy(learn.model(x), y, reduction="none").tolist()
    assert learn.recorder.values[0][0] == pytest.approx(sum(losses) / len(losses), rel=1e-6)


class Waits(TorchDispatchMode):
    """Counts reads of a tensor's value, each of which waits for an accelerator."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def waits(n_batches):
    learn = ours(n_batches=n_batches)
    with Waits() as mode:
        learn.fit(1, 0.1, cbs=History())
    return mode.count


def test_the_number_of_waits_does_not_grow_with_the_steps():
    assert waits(3) == waits(30) > 0
