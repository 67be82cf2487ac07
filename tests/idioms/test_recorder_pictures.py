"""The finder under fastai's name, and the figures of the recorder."""

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from fastai.callback.schedule import minimum, slide, steep, valley

from callbacks.lr_find.finder import LRFindError
from data.common.errors import TrainingError
from tests.idioms.learner_pair import assert_same, learner_pair, on_both

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Both learners after a fit. Tests must not change them."""
    pair = learner_pair(tmp_path_factory.mktemp("pictures"))
    on_both(pair, lambda learn: learn.fit_one_cycle(3, 0.1))
    return pair


def test_the_losses_are_drawn(table, pair):
    def lines(learn):
        _, axes = plt.subplots()
        drawn = learn.recorder.plot_loss(skip_start=2, ax=axes, show_epochs=True)
        return [[list(map(float, line.get_ydata())) for line in drawn.lines], [text.get_text() for text in drawn.texts]]

    assert_same(*on_both(pair, lines))
    table.works("Recorder.plot_loss", "plain fastai: the lines")


def test_the_schedule_is_drawn(table, pair):
    def lines(learn):
        plt.close("all")
        learn.recorder.plot_sched()
        return [(axes.get_ylabel(), list(map(float, axes.lines[0].get_ydata()))) for axes in plt.gcf().axes]

    found, expected = on_both(pair, lines)
    assert_same(found, expected)
    assert [label for label, _ in found] == ["lr", "mom"]
    table.works("Recorder.plot_sched", "plain fastai: rate and momentum of each step")


def test_the_finder_gives_fastais_suggestions_and_changes_nothing(table, pair):
    learn = pair.ours
    before = [tensor.clone() for tensor in learn.model.state_dict().values()]
    with pytest.raises(TrainingError, match="call `lr_find` first"):
        learn.recorder.plot_lr_find()
    found = learn.lr_find(start_lr=1e-4, end_lr=10, num_it=100, suggest_funcs=(valley, minimum, steep, slide))
    lrs, losses = torch.tensor(found.curve.lrs), torch.tensor(found.curve.losses)
    suggested, point = list(found), float(lrs[1] / lrs[0])
    assert None not in suggested[:3]  # that of an end of the range is none
    for ours, func in zip(suggested, (valley, minimum, steep, slide), strict=True):
        assert ours is None or 0.99 / point < ours / func(lrs, losses, 100)[0] < 1.01 * point
    for now, then in zip(learn.model.state_dict().values(), before, strict=True):
        assert torch.equal(now, then)
    drawn = learn.recorder.plot_lr_find().axes[0].lines[0]
    assert_same(torch.tensor(drawn.get_xdata()), torch.tensor(found.sweeps[0].lrs))
    with pytest.raises(LRFindError) as refused:
        learn.lr_find(stop_div=False)
    table.works("Learner.lr_find", "plain fastai: its suggestions for the losses that were found")
    table.refused("Learner.lr_find(stop_div=False)", refused.value)
    table.works("Recorder.plot_lr_find", "the rates of the search")
