"""The average of the weights equals its closed form and does not change the training."""

import fastai.callback.progress  # noqa: F401  gives learners `no_bar`
import pytest
import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import nn

from callbacks.optional.weight_average import WeightAverage

STEPS, EPOCHS = 5, 4


class Watch(Callback):
    """Keeps the trained weights of every step, and the weights that each validation used."""

    order = 90

    def before_fit(self):
        self.trained, self.validated = [], []

    def after_step(self):
        self.trained.append(snapshot(self.model))

    def before_validate(self):
        self.validated.append(snapshot(self.model))


def snapshot(model):
    return {name: t.clone() for name, t in model.state_dict().items() if t.is_floating_point()}


def fit(*cbs, seed=0):
    torch.manual_seed(seed)
    batches = [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(STEPS)]
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    learn = Learner(DataLoaders(batches, batches[:2]), model, nn.CrossEntropyLoss(), lr=0.1, path=".", model_dir=".")
    learn.logger, watch = print, Watch()
    with learn.no_bar(), learn.no_logging():
        learn.fit(EPOCHS, cbs=[watch, *cbs])
    return learn.model, watch


def closed_form(trained, name, horizon):
    """The average in float64: the weight of step k is that of its update times the factors of all later updates."""
    shares = [max(1 / horizon, 1 / k) for k in range(1, len(trained) + 1)]
    weights = [s * torch.tensor([1 - later for later in shares[k + 1 :]]).double().prod() for k, s in enumerate(shares)]
    return sum(w * t[name].double() for w, t in zip(weights, trained, strict=True))


@pytest.mark.parametrize("horizon", [0.05, 0.3, 1.0])
def test_each_validation_and_the_end_use_the_average_of_the_closed_form(horizon):
    model, watch = fit(WeightAverage(horizon))
    for epoch, validated in enumerate(watch.validated, start=1):
        for name, tensor in validated.items():
            exact = closed_form(watch.trained[: epoch * STEPS], name, horizon * STEPS * EPOCHS)
            assert torch.allclose(tensor.double(), exact, rtol=1e-4, atol=1e-6), name
    assert all(torch.equal(t, watch.validated[-1][name]) for name, t in snapshot(model).items())


def test_a_horizon_as_long_as_the_run_is_the_plain_mean():
    model, watch = fit(WeightAverage(horizon=1.0))
    for name, tensor in snapshot(model).items():
        mean = torch.stack([t[name].double() for t in watch.trained]).mean(0)
        assert torch.allclose(tensor.double(), mean, rtol=1e-4, atol=1e-6), name


def test_training_takes_the_same_steps_with_the_average_and_without():
    (_, averaged), (plain, without) = fit(WeightAverage(0.5)), fit()
    for ours, theirs in zip(averaged.trained, without.trained, strict=True):
        assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert all(torch.equal(t, without.trained[-1][name]) for name, t in snapshot(plain).items())


class Interruption(Callback):
    """Continues from the state of another callback after a number of steps, as a resumed run does."""

    order = 91

    def __init__(self, average, at):
        self.average, self.at = average, at

    def after_step(self):
        if self.train_iter + 1 == self.at:
            state = {"steps": self.average.steps, "average": {n: t.clone() for n, t in self.average.average.items()}}
            assert state.keys() == self.average.state_dict().keys()
            self.average.before_fit()
            self.average.before_train()
            self.average.load_state_dict(state)


@pytest.mark.parametrize("at", [1, 7])
def test_an_average_goes_on_from_its_state(at):
    average = WeightAverage(0.3)
    resumed, _ = fit(average, Interruption(average, at))
    straight, _ = fit(WeightAverage(0.3))
    assert all(torch.equal(t, snapshot(straight)[name]) for name, t in snapshot(resumed).items())
