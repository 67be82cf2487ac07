"""Each loss and metric of an epoch is in its own column, as in fastai; values that were not measured are None."""

import math

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelEpochException, CancelTrainException, CancelValidException
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback, TrackerCallback
from fastai.callback.training import ShortEpochCallback
from fastai.data.core import DataLoaders
from fastai.learner import Learner, Recorder
from fastai.metrics import F1Score, accuracy, error_rate
from fastai.torch_core import set_seed
from torch import nn

from callbacks.curves import plot_curves
from callbacks.training.history import History, write_history
from callbacks.training.recorder import DeviceMean, DeviceRecorder, epoch_figures
from callbacks.training.schedule import StepRow


def learner(recorder, metrics, tmp_path):
    set_seed(0)
    batches = [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(4)]
    batches.append((torch.randn(3, 3), torch.randint(0, 2, (3,))))
    dls, net = DataLoaders(batches, batches[1:]), nn.Linear(3, 2)
    learn = Learner(dls, net, nn.CrossEntropyLoss(), path=tmp_path, metrics=metrics)
    learn.remove_cb(learn.progress)
    learn.logger = lambda row: None
    learn.remove_cb(Recorder)
    return learn.add_cb(recorder)


@pytest.fixture
def pair(tmp_path):
    """A learner with fastai's recorder, and one with ours."""
    ours = [DeviceMean(accuracy), DeviceMean(error_rate), F1Score()]
    theirs = learner(Recorder(add_time=False), [accuracy, error_rate, F1Score()], tmp_path / "theirs")
    return theirs, learner(DeviceRecorder(), ours, tmp_path / "ours")


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("valid", [False, True])
def test_the_columns_are_fastais(pair, train, valid):
    for learn in pair:
        learn.recorder.train_metrics, learn.recorder.valid_metrics = train, valid
        learn.fit(2, 0.1)
    theirs, ours = pair
    assert ours.recorder.metric_names == theirs.recorder.metric_names
    for row, expected in zip(ours.recorder.values, theirs.recorder.values, strict=True):
        expected = [*expected, *[math.nan] * (len(row) - len(expected))]  # of metrics that have a name and no value
        assert list(row[1:]) == pytest.approx(expected[1:], rel=1e-5, nan_ok=True)  # the first is our mean loss
    assert list(epoch_figures(ours)) == list(ours.recorder.metric_names[1:])
    assert list(ours.validate()) == pytest.approx(list(theirs.validate()), rel=1e-5)


NAMES = ("valid_loss", "accuracy", "error_rate", "f1_score")


@pytest.mark.parametrize("monitor", [*NAMES, "train_accuracy", "valid_error_rate"])
def test_trackers_follow_the_column_of_that_name(pair, monitor):
    best = []
    for learn in pair:
        learn.recorder.train_metrics = monitor not in NAMES
        tracker = TrackerCallback(monitor=monitor)
        learn.fit(4, 0.5, cbs=tracker)
        column = [row[list(learn.recorder.metric_names[1:]).index(monitor)] for row in learn.recorder.values]
        assert tracker.best == (min if tracker.comp is np.less else max)(column)
        best.append(tracker.best)
    assert best[0] == pytest.approx(best[1], rel=1e-5)


class Cancels(Callback):
    """Cancels a part of the second epoch; a cancelled step is one of training."""

    order, run_valid = -15, False

    def __init__(self, event, error):
        self.error = error
        setattr(self, event, self.cancel)

    def cancel(self):
        if self.epoch == 1:
            raise self.error


BLANK_VALIDATION = {"valid_loss": None, "accuracy": None, "error_rate": None, "f1_score": None}
CASES = [
    ("before_epoch", CancelEpochException, True, True),
    ("before_train", CancelEpochException, True, True),
    ("before_train", CancelTrainException, True, False),
    ("after_loss", CancelTrainException, True, False),
    ("after_step", CancelEpochException, True, True),
    ("after_train", CancelEpochException, False, True),
    ("before_validate", CancelValidException, False, True),
    ("before_validate", CancelEpochException, False, True),
]


@pytest.mark.parametrize(("event", "error", "no_training", "no_validation"), CASES)
def test_what_was_cancelled_is_blank_and_the_rest_stays_in_its_column(
    pair, tmp_path, event, error, no_training, no_validation
):
    learn, history = pair[1], History()
    watch = [Cancels(event, error), SaveModelCallback(monitor="accuracy"), EarlyStoppingCallback(patience=9)]
    learn.fit(3, 0.1, cbs=[history, *watch])
    rows = history.rows
    assert [row.epoch for row in rows] == [0, 1, 2]
    assert (rows[1].train_loss is None, rows[1].valid_loss is None) == (no_training, no_validation)
    assert all((value is None) == no_validation for value in rows[1].metrics.values())
    assert all(value is not None for row in (rows[0], rows[2]) for value in vars(row).values())
    assert rows[1].images == (0 if no_training else 35)
    assert [len(row) for row in learn.recorder.values] == [5] * 3
    write_history(tmp_path / "history.csv", rows)
    cells = (tmp_path / "history.csv").read_text().splitlines()[2].split(",")
    assert [cell == "" for cell in cells[1:6]] == [no_training, *[no_validation] * 4]
    figure = plot_curves(rows, [StepRow(0, 0.0, 0.1, 0.9, 0.1)])
    figure.canvas.draw()


def test_the_steps_of_a_short_epoch_count(pair):
    learn, history = pair[1], History()
    learn.recorder.train_metrics = True
    losses = Callback(after_loss=lambda self: self.training and seen.append(self.learn.loss.item()))
    seen = []
    learn.fit(2, 0.0, cbs=[ShortEpochCallback(0.5), history, losses])
    first = history.rows[0]
    assert first.valid_loss is None
    assert first.images == 3 * 8  # fastai cancels before the recorder gets the fourth batch
    assert first.train_loss == pytest.approx(sum(seen[:3]) / 3)
    assert first.metrics["train_accuracy"] == pytest.approx(1 - first.metrics["train_error_rate"])
    assert first.metrics["valid_accuracy"] is None


def test_metrics_of_training_go_on_from_a_state(pair):
    """Metrics with a state, such as all metrics made of functions, are exact; the column of other metrics is None."""
    learn = pair[1]
    learn.recorder.train_metrics = True

    class Interrupts(Callback):
        order = 51

        def after_batch(self):
            if self.training and self.train_iter == 7:
                state = self.recorder.state_dict()
                self.recorder.before_train()
                self.recorder.load_state_dict(state)

    learn.fit(2, 0.0, cbs=Interrupts())
    names = list(learn.recorder.metric_names[1:])
    first, second = (dict(zip(names, row, strict=True)) for row in learn.recorder.values)
    assert math.isnan(second.pop("train_f1_score"))
    first.pop("train_f1_score")
    assert second == pytest.approx(first)
