"""The finder on real learners: its steps are those of a fit, its reasons if it finds nothing, and its files."""

import csv
import json
from functools import partial

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.mixup import MixUp
from fastai.callback.schedule import ParamScheduler
from fastai.callback.training import GradientClip
from torch import nn

from callbacks.lr_find.finder import LRFindError, LRFound, find_lr
from callbacks.lr_find.sweep import sweep
from tests.callbacks.lr_find.lr_learner import small_learner, small_net

END = 10.0  # so small a net still learns at a rate of 1


class NaNAfter(nn.Module):
    """Returns its input until the given call, and NaN from then on."""

    def __init__(self, calls: int):
        super().__init__()
        self.left = calls

    def forward(self, x):
        self.left -= 1
        return x if self.left >= 0 else x * float("nan")


class Losses(Callback):
    """The loss of every training step of a fit."""

    def before_fit(self):
        self.seen = []

    def after_batch(self):
        if self.training:
            self.seen.append(self.learn.loss.item())


class Constant(nn.Module):
    """Returns the same logits for every input and every value of its parameter."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return 0 * self.unused * torch.ones(len(x), 10)


def rising(pred, target):
    """A loss whose gradient leads upward."""
    loss = nn.functional.cross_entropy(pred, target)
    return 2 * loss.detach() - loss


def flat(pred, target):
    return 2.3 + 1e-12 * nn.functional.cross_entropy(pred, target)


def sound(found: LRFound) -> bool:
    """Whether the result is a suggestion inside the range, or a reason without any suggestion."""
    rates = [found.lr, found.low, found.high]
    if found.abstained:
        return rates == [None] * 3 and set(found.suggestions.values()) == {None}
    return found.sweeps[0].lrs[0] < found.low <= found.lr <= found.high < found.sweeps[0].lrs[-1]


@pytest.fixture(scope="module")
def found() -> LRFound:
    return find_lr(small_learner(n=640, bs=32), end_lr=END)


def test_it_finds_a_rate_that_trains(found):
    assert found.abstained is None
    assert sound(found)
    losses = {}
    for factor in (0.01, 1.0):
        learn = small_learner(n=640, bs=32)
        learn.fit_one_cycle(3, factor * found.lr, moms=(0.9, 0.9, 0.9))
        losses[factor] = learn.recorder.values[-1][1]
    assert losses[1.0] < losses[0.01] - 0.5


def test_both_ends_are_reached_exactly_and_the_rates_are_exponential(found):
    lrs = found.sweeps[0].lrs
    assert (lrs[0], lrs[-1], len(lrs)) == (1e-7, END, 50)
    assert np.diff(np.log(lrs)) == pytest.approx(np.log(END / 1e-7) / 49)


def test_a_loss_that_still_falls_at_the_end_is_no_answer():
    found = find_lr(small_learner(n=640, bs=32), end_lr=1.0)
    assert sound(found)
    assert "still falls at the highest learning rate, 1; raise `end_lr`" in found.abstained


def test_the_steps_are_all_that_is_taken(found):
    assert sum(len(s.lrs) for s in found.sweeps) == 200
    assert [s.lrs.max() for s in found.sweeps[1:]] == [trial.taken.lrs.max() for trial in found.trials]


@pytest.mark.parametrize("cbs", [(), (GradientClip(0.1),), (MixUp(),)], ids=["plain", "clipped", "mixup"])
def test_its_steps_are_those_of_a_fit(cbs):
    lrs = np.geomspace(1e-4, 0.5, 10)
    learn = small_learner(n=160, cbs=cbs)
    seen = Losses()
    schedule = ParamScheduler({"lr": lambda part: float(lrs[round(part * 10)])})
    swept = sweep(small_learner(n=160, cbs=cbs), lrs).losses
    learn = small_learner(n=160, cbs=cbs)
    learn.fit(1, cbs=[seen, schedule])
    assert swept.tolist() == seen.seen


def test_nan_after_step_30():
    found = find_lr(small_learner(lambda: nn.Sequential(*small_net(), NaNAfter(30))))
    assert sound(found)
    assert "the loss was not finite at step 31, learning rate 0.0019" in found.abstained


def test_nan_from_the_first_step():
    found = find_lr(small_learner(lambda: nn.Sequential(*small_net(), NaNAfter(0))))
    assert sound(found)
    assert "too few points: 0" in found.abstained
    assert "not finite at step 1," in found.abstained


def test_a_loss_that_explodes_ends_the_sweep():
    found = find_lr(small_learner(), end_lr=1e6)
    assert sound(found) or found.high < 1e6
    assert any("diverged" in stop or "not finite" in stop for stop in found.stopped)


@pytest.mark.parametrize(
    ("why", "settings"),
    [
        ("flat", {"loss_func": flat}),
        ("rises from the start", {"loss_func": rising}),
        ("flat", {"model": Constant}),
    ],
    ids=["flat to 1e-12", "rising", "constant model"],
)
def test_hopeless_cases_end_in_words(why, settings):
    found = find_lr(small_learner(**settings))
    assert sound(found)
    assert why in found.abstained


def test_seven_steps_are_too_few():
    found = find_lr(small_learner(), num_it=7)
    assert sound(found)
    assert found.abstained.startswith("too few steps: 7 leave 0 for each short run")


def test_a_longer_run_gets_a_higher_rate_within_the_range():
    rates = [find_lr(small_learner(n=640, bs=32), end_lr=END, run_steps=steps).lr for steps in (25, 1000, 10**9)]
    assert rates[0] < rates[1] < rates[2] == END


def test_batches_of_one():
    found = find_lr(small_learner(n=40, bs=1))
    assert sound(found)


@pytest.mark.parametrize(
    ("why", "settings"),
    [
        ("start_lr", {"start_lr": 0.0}),
        ("end_lr", {"start_lr": 1.0, "end_lr": 0.1}),
        ("`num_it` 3", {"num_it": 3}),
    ],
)
def test_arguments_that_cannot_be_are_named(why, settings):
    with pytest.raises(LRFindError, match=why):
        find_lr(small_learner(), **settings)


def test_a_loader_without_a_batch_is_named():
    learn = small_learner()
    learn.dls.loaders[0] = learn.dls.train.new(drop_last=True, bs=1000)
    with pytest.raises(LRFindError, match="no batch"):
        find_lr(learn)


def test_files_hold_what_was_found(found, tmp_path):
    found.save(tmp_path / "new")
    stored = json.loads((tmp_path / "new/lr_find.json").read_text())
    assert stored == found.to_dict()
    rows = list(csv.DictReader((tmp_path / "new/lr_find.csv").open()))
    steps = [(i, lr, loss) for i, s in enumerate(found.sweeps) for lr, loss in zip(s.lrs, s.losses, strict=True)]
    assert [(int(r["sweep"]), float(r["lr"]), float(r["loss"])) for r in rows] == steps
    assert (tmp_path / "new/lr_find.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["lr_find.csv", "lr_find.json", "lr_find.png"]


def test_the_picture_marks_every_suggestion_and_shades_the_range(found):
    figure = found.plot()
    axes, legend = figure.axes[0], figure.legends[0]
    labels = " ".join(text.get_text() for text in legend.get_texts())
    assert all(name in labels for name, lr in found.suggestions.items() if lr)
    assert f"recommended {found.lr:.2g}" in labels
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize("steps", [7, 200])
def test_an_abstention_has_files_and_a_picture_too(tmp_path, steps):
    found = find_lr(small_learner(partial(nn.Sequential, *small_net(), NaNAfter(0))), num_it=steps)
    found.save(tmp_path)
    assert "No suggestion" in found.plot().axes[0].get_title()
    assert json.loads((tmp_path / "lr_find.json").read_text())["lr"] is None
