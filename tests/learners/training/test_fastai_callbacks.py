"""fastai's callbacks in a run of the recipe and in a plain fit: the plan and the files of the run stay correct."""

import csv
import json

import pytest
import torch
from fastai.callback.core import Callback, CancelEpochException, CancelTrainException, CancelValidException
from fastai.callback.tracker import ReduceLROnPlateau
from fastai.callback.training import GradientAccumulation, ShortEpochCallback
from fastai.metrics import accuracy, error_rate

from data.common.errors import TrainingError
from learners import image_learner
from learners.training.plan_fit import planned_rates
from tests.learners.small_runs import small_net


@pytest.fixture
def make(tiny):
    def make(*cbs, **settings):
        torch.manual_seed(0)
        return image_learner(**tiny | {"device": "cpu"} | settings, model=small_net(), cbs=cbs)

    return make


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


class Rates(Callback):
    """Records the learning rate of each step."""

    def before_fit(self):
        self.seen = []

    def after_step(self):
        self.seen.append(self.opt.hypers[0]["lr"])


def test_accumulated_gradients_follow_the_plan_and_leave_the_steps_that_were_taken(make, tmp_path):
    rates = Rates()
    learn = make(GradientAccumulation(48), rates, out=tmp_path / "run")  # three batches of 16
    learn.fit_recipe()
    rows, plan = table(tmp_path / "run/schedule.csv"), planned_rates(learn)
    assert [int(row["step"]) for row in rows] == [2, 5]
    assert [float(row["lr"]) for row in rows] == [float(row["planned_lr"]) for row in rows] == rates.seen
    assert rates.seen == [plan[2][0], plan[5][0]]
    assert [row["epoch"] for row in rows] == ["0.5", "1.25"]


class InPlace(Callback):
    """Changes the loss whose gradient is taken, as fastai's callbacks do."""

    def after_loss(self):
        self.learn.loss_grad *= 3


def test_what_callbacks_do_to_the_gradient_leaves_the_recorded_losses_as_they_are(make):
    losses = []
    for cbs in ((), (GradientAccumulation(48),), (InPlace(),)):
        learn = make(*cbs)
        learn.fit(1, 0.0)
        losses.append(learn.recorder.losses)
    assert losses[0] == losses[1] == losses[2]


class RateSet(Callback):
    """Sets the learning rate once, at an event of the second epoch."""

    order = 999

    def __init__(self, event):
        self.done = False
        setattr(self, event, self.set_rate)

    def set_rate(self):
        if self.epoch == 1 and not self.done:
            self.done = True
            self.opt.set_hyper("lr", 123.0)


def test_a_rate_that_leaves_the_plan_is_caught_before_its_step(make):
    learn = make(RateSet("before_step"), ema=False)
    before = []
    learn.add_cb(Callback(before_step=lambda self: before.append(self.model[0].weight.clone())))
    with pytest.raises(TrainingError, match=r"the learning rate at step 4 .* is 123, planned"):
        learn.fit_recipe()
    assert torch.equal(learn.model[0].weight, before[4])


@pytest.mark.parametrize("event", ["before_epoch", "before_train", "after_batch"])
def test_a_rate_that_was_set_between_two_steps_yields_to_the_plan_with_one_warning(make, event, caplog):
    plain = make()
    plain.fit_recipe()
    learn = make(RateSet(event))
    learn.fit_recipe()
    assert caplog.text.count("another callback set the learning rate before step") == 1
    assert learn.fitted.steps == plain.fitted.steps
    assert learn.recorder.losses == plain.recorder.losses


def test_a_plateau_lowers_the_rate_of_a_plain_fit(make):
    rates = Rates()
    make().fit(3, 0.08, cbs=[rates, ReduceLROnPlateau(min_delta=100, patience=1)])
    assert rates.seen == pytest.approx([0.08] * 8 + [0.008] * 4)


class Cancels(Callback):
    """Cancels a part of an epoch."""

    run_valid = False

    def __init__(self, event, error, epoch):
        self.error, self.at = error, epoch
        setattr(self, event, self.cancel)

    def cancel(self):
        if self.epoch == self.at:
            raise self.error


CASES = [
    lambda epoch: ShortEpochCallback(0.5),
    lambda epoch: Cancels("before_epoch", CancelEpochException, epoch),
    lambda epoch: Cancels("after_batch", CancelEpochException, epoch),
    lambda epoch: Cancels("after_batch", CancelTrainException, epoch),
    lambda epoch: Cancels("before_validate", CancelValidException, epoch),
]


@torch.no_grad()
def hits(learn):
    """Return the accuracy on the validation images, computed without the library."""
    batches = [(learn.model.eval()(torch.Tensor(x)).argmax(1) == y) for x, y in learn.dls.valid]
    return float(torch.cat([torch.as_tensor(batch) for batch in batches]).float().mean())


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("case", CASES, ids=["short", "skipped", "cut", "no more training", "not validated"])
def test_a_run_with_cancelled_epochs_ends_in_its_files(make, tmp_path, case, epoch, capfd):
    run = tmp_path / "run"
    learn = make(case(epoch), out=run)
    learn.fit_recipe()
    rows = table(run / "history.csv")
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert rows[0].keys() >= {"train_loss", "valid_loss", "accuracy"}
    measured = [value for row in rows for value in (row["train_loss"], row["valid_loss"], row["accuracy"])]
    assert "nan" not in measured
    assert "" in measured or case is CASES[3]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["accuracy"] == pytest.approx(hits(learn))  # validated again where the last epoch was not
    assert (run / "curves.png").exists()
    assert "nan" not in capfd.readouterr().err


@pytest.mark.parametrize("metrics", [error_rate, [error_rate], [accuracy, error_rate]])
def test_metrics_are_stored_under_their_own_names(make, tmp_path, metrics):
    run = tmp_path / "run"
    results = make(metrics=metrics, out=run).fit_recipe()
    names = ["accuracy", "error_rate"] if isinstance(metrics, list) and len(metrics) == 2 else ["error_rate"]
    row = table(run / "history.csv")[-1]
    assert list(row) == [*"epoch train_loss valid_loss".split(), *names, *list(row)[-4:]]
    for name in names:
        assert float(row[name]) == results[name]
    assert ("accuracy" in results) == ("accuracy" in names)


def test_no_metrics_at_all(make):
    assert "accuracy" not in make(metrics=None).fit_recipe()


def test_metrics_of_the_training_images_have_columns_of_their_own(make, tmp_path):
    run = tmp_path / "run"
    learn = make(metrics=[accuracy, error_rate], out=run)
    learn.recorder.train_metrics = True
    results = learn.fit_recipe()
    row = {name: float(value) for name, value in table(run / "history.csv")[-1].items()}
    assert row["valid_accuracy"] == results["valid_accuracy"]
    assert row["train_accuracy"] == pytest.approx(learn.fitted.epochs[-1].train_accuracy)
    assert row["train_accuracy"] + row["train_error_rate"] == pytest.approx(1)
