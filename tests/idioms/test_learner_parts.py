"""Tests of the callbacks, metrics, contexts and messages of a learner."""

import re

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import AvgMetric
from fastai.metrics import F1Score, Perplexity, error_rate, top_k_accuracy
from fastcore.foundation import L
from torch import nn

from tests.idioms.learner_pair import assert_same, learner_pair, on_both


@pytest.fixture
def pair(tmp_path):
    return learner_pair(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A learner after a fit. Tests must not change it."""
    pair = learner_pair(tmp_path_factory.mktemp("trained"))
    on_both(pair, lambda learn: learn.fit(1, 0.05))
    return pair


class First(Callback):
    order = -7

    def before_fit(self):
        pass


class Second(Callback):
    order = 70

    def before_fit(self):
        pass


def own_callbacks(learn) -> list[str]:
    """The callbacks of this file, in the order in which they receive an event, and whether they are attributes."""
    names = [cb.name for cb in learn.ordered_cbs("before_fit") if isinstance(cb, First | Second)]
    assert all(cb.learn is learn for cb in learn.cbs)
    return [*names, hasattr(learn, "first"), hasattr(learn, "second")]


def add_and(learn, then) -> list:
    learn.add_cbs([Second(), First()])
    then(learn)
    return own_callbacks(learn)


def within(context, learn) -> list:
    with context:
        inside = own_callbacks(learn)
    return [inside, own_callbacks(learn)]


def changes_by_context(learn, how) -> list:
    noted = [First(), Second()]
    if how == "removed_cbs":
        learn.add_cbs(noted)
    return within(getattr(learn, how)(noted), learn)


CHANGES = {
    "add_cb": lambda learn: [own_callbacks(learn.add_cb(Second())), own_callbacks(learn.add_cb(First))],
    "add_cbs": lambda learn: own_callbacks(learn.add_cbs([Second, First()])),
    "remove_cb": lambda learn: add_and(learn, lambda learn: learn.remove_cb(First)),
    "remove_cbs": lambda learn: add_and(learn, lambda learn: learn.remove_cbs([learn.first, Second])),
    "added_cbs": lambda learn: changes_by_context(learn, "added_cbs"),
    "removed_cbs": lambda learn: changes_by_context(learn, "removed_cbs"),
    "ordered_cbs": lambda learn: add_and(learn, lambda learn: [learn.first, learn.second]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_callbacks_come_and_go(table, pair, name):
    assert_same(*on_both(pair, CHANGES[name]))
    pair.ours.fit(1, 0.01)
    table.works(f"Learner.{name}", "plain fastai: the callbacks and their order")


def test_one_may_remove_all_that_say_something(table, pair):
    """Every callback except the one without which fastai cannot train."""
    pair.ours.remove_cbs([cb for cb in pair.ours.cbs if cb.order > 0])
    with pytest.raises(AttributeError):
        pair.ours.recorder  # noqa: B018  reading it is the test


@pytest.fixture
def terminal(monkeypatch, capfd):
    """The output on a terminal since the last call."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # what rich takes for a terminal
    return lambda: "".join(capfd.readouterr())


@pytest.mark.parametrize(("name", "bar", "lines"), [("no_bar", 0, 0), ("no_mbar", 0, 1), ("no_logging", 1, 0)])
def test_what_is_shown_can_be_hidden(table, pair, terminal, name, bar, lines):
    learn = pair.ours
    with getattr(learn, name)():
        learn.fit(1, 0.01)
        fitted = terminal()
        learn.validate()
        assert ("validation" in terminal()) == bool(bar)
    assert ("epoch 0 of 1" in fitted, "valid_loss" in fitted) == (bool(bar), bool(lines))
    learn.fit(1, 0.01)
    seen = terminal()
    assert ("epoch 0 of 1" in seen, "valid_loss" in seen) == (True, True)
    table.works(f"Learner.{name}", "what a terminal shows within and after it")


def test_the_context_of_a_validation(table, pair):
    class Around(Callback):
        def __init__(self):
            self.events = []

        def before_epoch(self):
            self.events.append("before_epoch")

        def after_epoch(self):
            self.events.append("after_epoch")

    def use(learn):
        noted, states = Around(), []
        for inner in (False, True):
            with learn.validation_context(cbs=noted, inner=inner):
                states.append([noted in learn.cbs, learn.lock.locked(), learn.create_mbar, learn.logger is None])
        return [*states, noted.events, noted in learn.cbs, learn.lock.locked(), learn.create_mbar]

    on_both(pair, lambda learn: learn.fit(1, 0.01))
    assert_same(*on_both(pair, use))
    table.works("Learner.validation_context", "plain fastai: callbacks, lock, bar and events")


def test_the_loss_of_each_image(table, trained):
    x, y = (part.as_subclass(torch.Tensor) for part in trained.ours.dls.valid.one_batch())

    def use(learn):
        with torch.no_grad(), learn.loss_not_reduced():
            each = learn.loss_func(learn.model(x), y)
        return each, learn.loss_func(learn.model(x), y).detach()

    found, expected = on_both(trained, use)
    assert_same(found, expected)
    plain = nn.CrossEntropyLoss(reduction="none", label_smoothing=trained.ours.plan.label_smoothing)
    assert_same(found[0], plain(trained.ours.model(x), y).detach())
    table.works("Learner.loss_not_reduced", "plain fastai and plain torch: the loss of each image")


METRICS = [
    error_rate,
    [error_rate, top_k_accuracy],
    F1Score(average="macro"),
    [Perplexity(), AvgMetric(error_rate)],
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("metrics", METRICS, ids=["function", "several", "of sklearn", "objects"])
def test_other_metrics(table, pair, metrics):
    def use(learn):
        learn.metrics = metrics
        learn.fit(1, 0.05)
        names = list(learn.recorder.metric_names)
        return [[name for name in names if name != "time"], [float(value) for value in learn.validate()]]

    assert_same(*on_both(pair, use))
    table.works("Learner.metrics", "plain fastai: names and figures, also of metrics of scikit-learn")


def test_what_the_summary_says_of_the_model(table, trained):
    ours, plain = on_both(trained, lambda learn: str(learn.summary()))
    assert ours.split("Optimizer used")[0] == plain.split("Optimizer used")[0]
    assert "Total trainable params" in ours
    assert "Model unfrozen" in ours
    assert "  - TrainEvalCallback" in ours
    table.works("Learner.summary", "plain fastai: the table of layers")


def test_the_training_loop_is_shown(table, trained, capsys):
    def use(learn):
        learn.show_training_loop()
        return re.sub(r"\[.*?\]", "[]", capsys.readouterr().out)

    ours, plain = on_both(trained, use)
    assert ours == plain
    assert "before_fit" in ours
    table.works("Learner.show_training_loop", "plain fastai: the events")


def test_tensors_are_detached(table, trained):
    def use(learn):
        weights = learn.model[-1].weight
        found = learn.to_detach([weights, (weights * 2,)])
        return [found[0].requires_grad, found[1][0].requires_grad, found[0], L(found[1])[0]]

    assert_same(*on_both(trained, use))
    table.works("Learner.to_detach", "plain fastai: what it gives for tensors in lists")
