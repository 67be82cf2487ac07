"""The metrics of a run are those of its saved model: metrics.json and `evaluate` agree to the last digit."""

import json

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelFitException, CancelValidException
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.metrics import error_rate
from torch import nn
from torch.nn import functional as F

from callbacks.training.measured_model import MeasuredModel
from data.common.errors import TrainingError
from learners import image_learner
from learners.answers.evaluation import evaluate
from learners.finished_learner import load_run
from tests.learners.small_runs import NAMED, history_of, small_architecture, small_net


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


class EndAt(Callback):
    """Ends the fit within an epoch."""

    run_valid = False

    def __init__(self, at):
        self.at = at

    def after_batch(self):
        if self.train_iter == self.at:
            raise CancelFitException


class Scale(Callback):
    """Changes the weights after the last validation."""

    def after_fit(self):
        with torch.no_grad():
            self.model[0].weight.mul_(3)


def run_with(tmp_path, *cbs, **settings):
    learn = image_learner(**NAMED | settings, cbs=cbs, out=tmp_path / "run")
    return learn, learn.fit_recipe()


WAYS = {
    "save_model": lambda: [SaveModelCallback(comp=np.greater)],  # the worst, which is not the last
    "early_stopping": lambda: [EarlyStoppingCallback(comp=np.greater)],
    "within_an_epoch": lambda: [EndAt(6)],
    "changed_afterwards": lambda: [Scale()],
    "nothing": list,
}


@pytest.mark.parametrize("ema", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_the_figures_are_those_of_the_model_as_saved(tmp_path, way, ema):
    learn, results = run_with(tmp_path, *WAYS[way](), ema=ema, epochs=4)
    found = evaluate(tmp_path / "run")
    assert (results["accuracy"], results["valid_loss"]) == (found["accuracy"], found["valid_loss"])
    assert json.loads((tmp_path / "run/metrics.json").read_text()) == results
    rows = history_of(tmp_path / "run")
    assert (results["epochs"], results["steps"]) == (len(rows), len(learn.fitted.steps))
    assert learn.recorder.values[-1][1] == float(rows[-1]["valid_loss"])  # the last validation is not recorded


def test_epochs_and_steps_are_those_that_were_done(tmp_path):
    _, results = run_with(tmp_path, EndAt(6))
    assert (results["epochs"], results["steps"]) == (1, 6)


def test_a_tracker_does_not_see_the_last_validation(tmp_path):
    track = SaveModelCallback(comp=np.greater)
    learn, _ = run_with(tmp_path, track)
    assert track.best == max(values[1] for values in learn.recorder.values)
    assert learn.cbs[-1] is track


def test_a_fit_that_ends_in_its_first_epoch_has_nothing_to_report(tmp_path):
    with pytest.raises(TrainingError, match="before its first epoch was complete"):
        run_with(tmp_path, EndAt(2))


class PartOfValidation(Callback):
    def after_batch(self):
        if not self.training:
            raise CancelValidException


def test_a_validation_of_some_images_measures_nothing(tiny):
    learn, measured = image_learner(**tiny | {"model": "small"}), MeasuredModel()
    learn.fit(1, cbs=measured)
    assert measured.measured(learn.model, epoch=0)
    assert not measured.measured(learn.model, epoch=1)
    with torch.no_grad():
        learn.model[0].bias[0] += 1
    assert not measured.measured(learn.model, epoch=0)
    learn.fit(1, cbs=[measured, PartOfValidation()])
    assert not measured.measured(learn.model, epoch=0)


class Focal(nn.Module):
    y_int = True

    def forward(self, logits, targets):
        losses = F.cross_entropy(logits, targets, reduction="none")
        return ((1 - torch.exp(-losses)) * losses).mean()


def test_a_loss_of_the_session_is_left_out_of_evaluate(tmp_path, caplog):
    learn = image_learner(**NAMED, out=tmp_path / "run")
    learn.loss_func = Focal()
    results = learn.fit_recipe()
    found = evaluate(tmp_path / "run")
    assert found["accuracy"] == results["accuracy"]
    assert "valid_loss" not in found
    assert "was trained with the loss Focal, which is not in its files: valid_loss is left out" in caplog.text


def test_a_run_with_another_metric_has_it_under_its_own_name(tmp_path):
    _, results = run_with(tmp_path, metrics=[error_rate])
    assert "accuracy" not in results
    assert set(history_of(tmp_path / "run")[0]) == {"epoch", "train_loss", "valid_loss", "error_rate", "lr", "momentum"}
    found = evaluate(tmp_path / "run")
    assert found["accuracy"] == load_run(tmp_path / "run").validate()[1]
    assert found["accuracy"] == pytest.approx(1 - results["error_rate"], abs=1e-7)


class Doubles(Callback):
    def before_batch(self):
        self.learn.xb = (self.xb[0].double(),)


def test_a_model_that_runs_only_with_a_callback_is_told(tiny):
    learn = image_learner(**tiny, model=small_net().double(), cbs=[Doubles()], device="cpu")
    with pytest.raises(TrainingError, match="does not run without Doubles"):
        learn.fit_recipe()
