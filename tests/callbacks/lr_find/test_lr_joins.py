"""Callbacks that may change a step take part in the finder's steps, and others do not."""

import importlib

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientAccumulation
from torch import nn

from callbacks.lr_find.finder import find_lr
from callbacks.lr_find.finder_learner import joins
from callbacks.lr_find.sweep import sweep
from callbacks.optional.sharpness import SharpnessAware
from callbacks.optional.weight_average import WeightAverage
from callbacks.training.history import History
from callbacks.training.progress import RichProgress
from callbacks.training.recorder import DeviceRecorder
from callbacks.training.schedule import PlannedRates, ScheduleRecord
from tests.callbacks.lr_find.lr_learner import small_learner, small_net

MODULES = "callback.core callback.schedule callback.tracker callback.progress callback.training callback.mixup".split()
MODULES += "callback.fp16 callback.hook callback.channelslast callback.rnn callback.preds callback.data".split()
MODULES += ["learner", "vision.gan"]
JOIN = {
    *("GradientAccumulation", "GradientClip", "BnFreeze", "ChannelsLast", "CastToTensor"),
    *("MixHandler", "MixUp", "CutMix", "MixedPrecision"),
    *("ModelResetter", "RNNCallback", "RNNRegularizer"),
    *("SkipToEpoch", "MCDropoutCallback", "FetchPredsCallback"),  # no event of theirs is fired
}
STAY_OUT = {
    *("Callback", "TrainEvalCallback", "GatherPredsCallback", "CollectDataCallback", "Recorder"),
    *("TrackerCallback", "SaveModelCallback", "EarlyStoppingCallback", "ReduceLROnPlateau", "TerminateOnNaNCallback"),
    *("ProgressCallback", "ShowGraphCallback", "CSVLogger", "ShortEpochCallback"),
    *("ParamScheduler", "LRFinder", "HookCallback", "ActivationStats", "GANTrainer", "AdaptiveGANSwitcher"),
    *("FixedGANSwitcher", "GANDiscriminativeLR", "ModelToHalf", "NonNativeMixedPrecision"),
}


def subclasses(cls):
    return {cls}.union(*map(subclasses, cls.__subclasses__()))


def of_fastai():
    for name in MODULES:
        importlib.import_module(f"fastai.{name}")
    return {cls.__name__: cls for cls in subclasses(Callback) if cls.__module__.split(".")[0] == "fastai"}


def test_every_callback_of_fastai_has_its_verdict():
    assert of_fastai().keys() == JOIN | STAY_OUT


@pytest.mark.parametrize("name", sorted(JOIN | STAY_OUT))
def test_what_fastais_callbacks_do(name):
    cls = of_fastai()[name]
    assert joins(cls.__new__(cls)) == (name in JOIN)


@pytest.mark.parametrize("cls", [DeviceRecorder, RichProgress, History, ScheduleRecord, PlannedRates, WeightAverage])
def test_of_ours_those_that_watch_or_belong_to_a_run_stay_out(cls):
    assert not joins(cls.__new__(cls))


def test_sharpness_is_part_of_a_step():
    assert joins(SharpnessAware(0.5))


def test_a_callback_made_of_functions_is_told_by_them():
    assert joins(Callback(before_batch=print))
    assert not joins(Callback(before_batch=print, after_epoch=print))


@pytest.mark.parametrize("told", [True, False])
def test_shapes_step_overrules(told):
    watches, shapes = Callback(after_batch=print), Callback(before_batch=print)
    watches.shapes_step = shapes.shapes_step = told
    assert joins(watches) == joins(shapes) == told


def accumulated_by_hand(lrs, n_acc, bs):
    """The losses of a plain loop that takes a step after every `n_acc` images, with the learning rate of that batch."""
    learn = small_learner(n=160, bs=bs)
    net, losses, seen = learn.model.train(), [], 0
    opt = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.9, nesterov=True)
    for lr, (x, y) in zip(lrs, learn.dls.train, strict=False):
        opt.param_groups[0]["lr"] = lr
        _ = learn.dls.n_inp  # fastai's step asks for it, and the first time that draws an item
        loss = nn.functional.cross_entropy(net(x), y)
        (loss * bs / n_acc).backward()
        losses.append(loss.item())
        seen += bs
        if seen >= n_acc:
            seen = 0
            opt.step()
            opt.zero_grad()
    return losses


def test_accumulated_gradients_are_those_of_a_loop_by_hand():
    lrs = np.geomspace(1e-2, 0.5, 10)
    plain, ours = (sweep(small_learner(n=160, cbs=cbs), lrs) for cbs in ((), [GradientAccumulation(48)]))
    assert ours.losses == pytest.approx(accumulated_by_hand(lrs, 48, 16), rel=1e-5)
    assert np.abs(ours.losses - plain.losses).max() > 0.01


def test_a_search_with_accumulated_gradients_is_another_one():
    plain, ours = (find_lr(small_learner(cbs=cbs), num_it=40) for cbs in ((), [GradientAccumulation(48)]))
    assert ours.sweeps[0].losses[0] == plain.sweeps[0].losses[0]
    assert ours.sweeps[0].losses.tolist() != plain.sweeps[0].losses.tolist()


class Position(Callback):
    """The values that fastai's `TrainEvalCallback` would have set."""

    seen = []

    def before_batch(self):
        modes = {module.training for module in self.model.modules()}
        Position.seen.append((self.training, modes, self.train_iter, self.pct_train))


def test_steps_know_their_mode_and_their_position():
    Position.seen.clear()
    learn = small_learner(small_net, cbs=[Position()])
    learn.model.eval()
    sweep(learn, np.geomspace(1e-3, 1e-2, 5))
    assert Position.seen == [(True, {True}, step, step / 5) for step in range(5)]
