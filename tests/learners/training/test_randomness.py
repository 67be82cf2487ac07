"""Random numbers in `fit_recipe` are the same in every run of a seed, and the session's generators do not change."""

import random

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.mixup import CutMix, MixUp
from torch import nn

from callbacks.random_generators import seed_generators
from learners import image_learner, resume_learner
from tests.learners.small_runs import NAMED, Interrupted, history_of, observed, small_architecture


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


class Noise(Callback):
    """Uses random numbers of every library at each event of a step and of an epoch."""

    run_valid = False

    def before_epoch(self):
        self.scale = 1 + 0.01 * random.random()

    def before_batch(self):
        self.learn.xb = (self.xb[0] * (self.scale + 0.01 * np.random.rand()),)

    def after_train(self):
        with torch.no_grad():
            self.model[-1].bias.add_(0.01 * torch.rand(10))


class DrawsWhileValidating(Callback):
    run_train = False

    def before_batch(self):
        random.random(), np.random.rand(), torch.rand(3)


def disturb(number):
    """Set the random states of a session to other values."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def states():
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


def losses(*cbs, number=0, **settings):
    disturb(number)
    learn = image_learner(**NAMED | settings, cbs=cbs)  # its net has dropout
    before = states()
    learn.fit_recipe()
    assert states() == before
    return learn.recorder.losses


@pytest.mark.parametrize("cbs", [(), (MixUp,), (CutMix,), (Noise, MixUp)], ids=["dropout", "mixup", "cutmix", "noise"])
def test_one_seed_is_one_run_whatever_was_drawn_before(cbs):
    first = losses(*cbs, number=1)
    assert losses(*cbs, number=2) == first
    assert losses(*cbs, number=1, seed=1) != first


def test_what_draws_between_two_steps_changes_no_step():
    assert losses(DrawsWhileValidating) == losses()


def test_the_rate_that_is_measured_is_the_same_too():
    rates = []
    for number in (1, 2):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10))
        learn = image_learner(**NAMED | {"epochs": 1, "lr": "auto", "limit": 256, "model": net}, cbs=[MixUp])
        disturb(number)
        learn.fit_recipe()
        rates.append(learn.plan.lr)
    assert rates[0] == rates[1]


@pytest.mark.parametrize("at", [1, 4, 6, 8])  # within epochs, and after the last step of one
def test_a_resumed_run_draws_as_if_it_had_not_stopped(tmp_path, at):
    disturb(1)
    image_learner(**NAMED, cbs=[Noise, MixUp], out=tmp_path / "straight").fit_recipe()
    disturb(2)
    learn = observed(image_learner(**NAMED, cbs=[Noise, MixUp], out=tmp_path / "run"), 2, Interrupted(at))
    before = states()
    with pytest.raises(KeyboardInterrupt):
        learn.fit_recipe(checkpoint_minutes=0)
    assert states() == before  # also where it ends so
    disturb(3)
    resume_learner(tmp_path / "run", cbs=[Noise, MixUp]).fit_recipe()
    assert history_of(tmp_path / "run") == history_of(tmp_path / "straight")


def test_the_seeds_of_two_steps_and_of_two_runs_differ():
    drawn = set()
    for seed in range(3):
        for step in range(5):
            for place in range(3):
                seed_generators("cpu", seed, step, place)
                drawn.add((random.random(), np.random.rand(), torch.rand(1).item()))
    assert len({one for one, *_ in drawn}) == len({two for _, two, _ in drawn}) == len(drawn) == 45
