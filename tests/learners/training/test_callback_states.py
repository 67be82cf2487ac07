"""A resumed run with callbacks of fastai equals the uninterrupted run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.mixup import MixUp
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.callback.training import GradientAccumulation

from callbacks.checkpoint.callback import Resume
from callbacks.checkpoint.checkpoint_file import CheckpointError
from callbacks.checkpoint.state import capture
from callbacks.training.loader_epoch import LoaderEpoch
from callbacks.training.step_seed import StepSeed
from learners import image_learner, resume_learner
from tests.learners.small_runs import NAMED, Interrupted, history_of, observed, small_architecture


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


def save_model():
    return [SaveModelCallback(comp=np.greater)]  # the first epoch is the best, before the interruption


def early_stopping():
    return [EarlyStoppingCallback(comp=np.greater, patience=3)]


def all_of_them():
    return [MixUp(), SaveModelCallback(comp=np.greater), EarlyStoppingCallback(comp=np.greater, patience=4)]


SETTINGS = NAMED | {"epochs": 6}


def begin_and_stop(out, cbs, at, **settings):
    learn = observed(image_learner(**SETTINGS | settings, cbs=cbs, out=out), 1, Interrupted(at))
    with pytest.raises(KeyboardInterrupt):
        learn.fit_recipe(checkpoint_minutes=0)


@pytest.mark.parametrize("make", [save_model, early_stopping, all_of_them, lambda: [MixUp()]])
@pytest.mark.parametrize("at", [8, 9])
def test_the_resumed_run_is_the_uninterrupted_one(tmp_path, make, at):
    straight = image_learner(**SETTINGS, cbs=make(), out=tmp_path / "straight")
    expected = straight.fit_recipe()
    begin_and_stop(tmp_path / "run", make(), at)
    resumed = resume_learner(tmp_path / "run", cbs=make())
    found = resumed.fit_recipe()
    assert history_of(tmp_path / "run") == history_of(tmp_path / "straight")
    for name in ("epochs", "steps", "accuracy", "valid_loss"):
        assert found[name] == expected[name]
    weights = resumed.model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in straight.model.state_dict().items())
    ours, theirs = (getattr(learn, "save_model", None) for learn in (resumed, straight))
    assert (ours and ours.best) == (theirs and theirs.best)


class Take(Callback):
    """Captures the state after a number of steps, as a checkpoint does."""

    order, run_valid = 90, False

    def __init__(self, steps):
        self.steps = steps

    def after_batch(self):
        if self.train_iter == self.steps:
            self.state = capture(self.learn, {}, [cb for cb in self.learn.cbs if isinstance(cb, GradientAccumulation)])


def test_gradients_that_are_being_added_up_go_on(tmp_path):
    cbs = [LoaderEpoch(), StepSeed(0)]
    straight, resumed = (image_learner(**SETTINGS, cbs=[GradientAccumulation(n_acc=48)]) for _ in range(2))
    take = Take(5)  # two batches of three
    straight.fit(3, 0.05, cbs=[*cbs, take])
    assert take.state["attributes"]["gradient_accumulation"]["count"] == 32
    resumed.fit(3, 0.05, cbs=[*cbs, Resume(take.state, Path("checkpoint.pt"))])
    assert resumed.recorder.losses == straight.recorder.losses
    weights = resumed.model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in straight.model.state_dict().items())


class Holds(Callback):
    """A callback whose state is a tensor of a fixed size."""

    def __init__(self, size):
        self.values = torch.zeros(size)

    def state_dict(self):
        return {"values": self.values}

    def load_state_dict(self, state):
        self.values.copy_(state["values"])


def test_a_state_that_cannot_be_restored_is_told_in_one_sentence(tmp_path):
    begin_and_stop(tmp_path / "run", [Holds(3)], 2)
    words = r"checkpoint.pt: the state of the callback holds does not fit this learner"
    message = rf"{words} \(The size of tensor .*\); pass"
    with pytest.raises(CheckpointError, match=message) as raised:
        resume_learner(tmp_path / "run", cbs=[Holds(4)]).fit_recipe()
    assert "\n" not in str(raised.value)


def test_a_net_of_other_layers_is_told_in_one_sentence(tmp_path, monkeypatch):
    begin_and_stop(tmp_path / "run", [], 2)
    learn = resume_learner(tmp_path / "run")
    learn.model[0] = torch.nn.Conv2d(3, 8, 5)
    with pytest.raises(CheckpointError, match=r"checkpoint.pt: the weights do not fit this learner") as raised:
        learn.fit_recipe()
    assert "\n" not in str(raised.value)


def test_two_callbacks_of_one_name_keep_their_own_states(tmp_path):
    def two():
        return [SaveModelCallback(comp=np.greater, fname="worst"), SaveModelCallback(fname="best")]

    straight = image_learner(**SETTINGS, cbs=two(), out=tmp_path / "straight")
    straight.fit_recipe()
    begin_and_stop(tmp_path / "run", two(), 9)
    resumed = resume_learner(tmp_path / "run", cbs=two())
    resumed.fit_recipe()
    assert [cb.best for cb in resumed.cbs[-2:]] == [cb.best for cb in straight.cbs[-2:]]
