"""Tests of every callback of fastai in `fit`, `fit_one_cycle` and `fit_recipe`."""

import math
from contextlib import nullcontext

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import FetchPredsCallback
from fastai.callback.data import CollectDataCallback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.hook import ActivationStats, HookCallback
from fastai.callback.mixup import CutMix, MixHandler, MixUp
from fastai.callback.preds import MCDropoutCallback
from fastai.callback.progress import CSVLogger, ProgressCallback, ShowGraphCallback
from fastai.callback.schedule import LRFinder, ParamScheduler, SchedCos
from fastai.callback.tracker import (
    EarlyStoppingCallback,
    ReduceLROnPlateau,
    SaveModelCallback,
    TerminateOnNaNCallback,
    TrackerCallback,
)
from fastai.callback.training import BnFreeze, GradientAccumulation, GradientClip, ShortEpochCallback

from learners.answers.evaluation import evaluate
from learners.training.plan_fit import planned_rates
from tests.idioms.beside import alike, both, ours, pair, plain, rows_of, weights
from tests.learners.small_runs import small_architecture

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*CUDA is not available"),
    pytest.mark.filterwarnings("ignore:You are shadowing an attribute .modules"),  # fastai's own
]


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


@pytest.fixture(autouse=True)
def _single_precision(monkeypatch):
    """Use fp32, as plain fastai does, also on a processor with bf16."""
    monkeypatch.setattr("learners.training.step.autocast", lambda device: nullcontext())


class Halves(MixHandler):
    """A callback as a user could write it: half of each image's target is that of the next image."""

    def before_batch(self):
        self.lam, self.yb1 = torch.tensor(0.5), (self.y.roll(1),)


def mean_of(module, given, output):
    return output.mean()


CHANGES = {  # callbacks that change the training
    "EarlyStoppingCallback": lambda: [EarlyStoppingCallback(comp=np.greater)],
    "SaveModelCallback": lambda: [SaveModelCallback(comp=np.greater, with_opt=True)],
    "ReduceLROnPlateau": lambda: [ReduceLROnPlateau(min_delta=100)],
    "ShortEpochCallback": lambda: [ShortEpochCallback(0.3)],
    "GradientAccumulation": lambda: [GradientAccumulation(48)],
    "GradientClip": lambda: [GradientClip(0.05)],
    "ParamScheduler": lambda: [ParamScheduler({"lr": SchedCos(0.2, 0.01), "mom": SchedCos(0.8, 0.9)})],
    "LRFinder": lambda: [LRFinder(1e-4, 1.0, num_it=6)],
    "MixHandler": lambda: [Halves()],
    "MixUp": lambda: [MixUp()],
    "CutMix": lambda: [CutMix()],
    "MCDropoutCallback": lambda: [MCDropoutCallback()],  # it draws while validating
}
WATCH = {  # callbacks that change nothing here
    "TerminateOnNaNCallback": lambda: [TerminateOnNaNCallback()],
    "TrackerCallback": lambda: [TrackerCallback("accuracy")],
    "MixedPrecision": lambda: [MixedPrecision()],
    "ChannelsLast": lambda: [ChannelsLast()],
    "BnFreeze": lambda: [BnFreeze()],
    "HookCallback": lambda: [HookCallback(hook=mean_of)],
    "ActivationStats": lambda: [ActivationStats(with_hist=True, every=2)],
    "CollectDataCallback": lambda: [CollectDataCallback()],
    "FetchPredsCallback": lambda: [FetchPredsCallback()],
    "CSVLogger": lambda: [CSVLogger("log.csv")],
    "ProgressCallback": lambda: [ProgressCallback()],
    "ShowGraphCallback": lambda: [ProgressCallback(), ShowGraphCallback()],
}
CASES = CHANGES | WATCH
HELD = "best new_best wait count hps stats data preds nb_batches scales".split()


@pytest.fixture(scope="module")
def without():
    """The weights after a fit without an additional callback."""
    learners = ours(), plain()
    both(learners, fit)
    one, other = map(weights, learners)
    assert alike(one, other)
    return one


def fit(learn):
    learn.fit(3, 0.1)


def one_cycle(learn):
    learn.fit_one_cycle(2, 0.1)


def held(learn, n):
    """The values that the last `n` callbacks keep, by attribute."""
    return [{name: vars(cb)[name] for name in HELD if name in vars(cb)} for cb in learn.cbs[-n:]]


def measured(learn):
    """The validation loss and metrics of each epoch as fastai's trackers read them, NaN if they were not measured."""
    return [(list(values[1:]) + [math.nan] * 2)[:2] for values in learn.recorder.values]


def saved(learn):
    """The content of the written files by name: weights, and the numbers in logs."""
    found = {path.name: torch.load(path, weights_only=False) for path in learn.path.rglob("*.pth")}
    for path in learn.path.rglob("*.csv"):
        found[path.name] = [(float(row["valid_loss"]), float(row["accuracy"])) for row in rows_of(path)]
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_training_is_that_of_plain_fastai(name, without, tmp_path, table, capfd):
    mine, theirs = learners = pair(CASES[name], tmp_path)
    n = len(CASES[name]())
    for train in (fit, one_cycle):
        both(learners, train)
        assert alike(weights(mine), weights(theirs))
        assert mine.recorder.lrs == theirs.recorder.lrs
        assert alike(mine.recorder.losses, [loss.item() for loss in theirs.recorder.losses])
        assert np.allclose(measured(mine), measured(theirs), rtol=1e-5, equal_nan=True)
        assert alike(held(mine, n), held(theirs, n))
        assert alike(saved(mine), saved(theirs))
        assert train is one_cycle or alike(weights(mine), without) == (name in WATCH)
    plt.close("all")
    table.works(name, "plain fastai: weights after `fit` and `fit_one_cycle` to the last bit, and what it keeps")


@pytest.mark.parametrize("name", CASES)
def test_fit_recipe_follows_its_plan_and_saves_what_it_reports(name, tmp_path, table, capfd):
    learn = ours(*CASES[name](), out=tmp_path / "run")
    before, results = weights(learn), learn.fit_recipe()
    rows, plan = rows_of(tmp_path / "run/schedule.csv"), planned_rates(learn)
    assert rows
    for row in rows:
        assert float(row["lr"]) == float(row["planned_lr"]) == plan[int(row["step"])][0]
    assert results["epochs"] == len(rows_of(tmp_path / "run/history.csv")) <= 2
    found = evaluate(tmp_path / "run")
    assert (found["accuracy"], found["valid_loss"]) == (results["accuracy"], results["valid_loss"])
    assert alike(weights(learn), before) == (name == "LRFinder")
    plt.close("all")
    table.works(f"{name} in fit_recipe", "the plan, and `evaluate` of the saved run, to the last digit")
