"""The applied learning rate is the planned one, and the plan is one cycle with its peak at the requested epoch."""

import math
from functools import partial

import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import nn

from callbacks.training.schedule import OneCycle, PlannedRates, ScheduleRecord, write_schedule
from data.common.errors import TrainingError


def one_cycle(position: float, peak: float, lr_max: float, div: float, div_final: float, decay="cosine") -> float:
    """The closed form in float64: half a cosine up, then half a cosine or a straight line down."""
    start, end, part = (lr_max / div, lr_max, position / peak)
    if position >= peak:
        start, end, part = lr_max, lr_max / div_final, (position - peak) / (1 - peak)
        if decay == "linear":
            return start + (end - start) * part
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def planned_rates(steps: int, lr_max: float, **shape) -> list[float]:
    return [rate for (rate,) in OneCycle([lr_max], **shape).table(steps)]


@pytest.mark.parametrize(("epochs", "peak", "steps"), [(24, 5, 97), (24, 5, 1), (10, 2, 13), (3, 0.625, 22)])
@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_the_plan_is_the_closed_form(epochs, peak, steps, decay):
    total = epochs * steps
    plan = planned_rates(total, 0.4, div=5, div_final=1e5, pct_start=peak / epochs, decay=decay)
    exact = [one_cycle(step / total, peak / epochs, 0.4, 5, 1e5, decay) for step in range(total)]
    assert plan == pytest.approx(exact, rel=1e-5, abs=1e-7)  # fastai places the position in float32


def test_the_peak_of_24_epochs_is_the_first_step_of_epoch_5():
    plan = planned_rates(24 * 97, 0.4, div=5, div_final=1e5, pct_start=5 / 24)
    assert plan.index(max(plan)) == 5 * 97
    assert max(plan) == pytest.approx(0.4, rel=1e-12)


def test_each_group_has_its_peak_and_starts_when_it_is_told():
    curve = OneCycle([0.4, 3.2, 0.1], div=5, div_final=1e5, pct_start=5 / 24, starts=[0, 0, 3 / 24])
    before, after = curve(2.9 / 24), curve(3 / 24)
    assert before[:2] / before[0] == pytest.approx([1, 8])
    assert before[2] == 0
    assert after / after[0] == pytest.approx([1, 8, 0.25])


def learner(n_batches=4):
    batches = [(torch.randn(8, 3), torch.randint(0, 2, (8,))) for _ in range(n_batches)]
    sgd = lambda params, lr: OptimWrapper(params, torch.optim.SGD, lr=lr, momentum=0.9)  # noqa: E731
    dls = DataLoaders(batches, batches[:1])
    return Learner(dls, nn.Linear(3, 2), nn.CrossEntropyLoss(), opt_func=sgd, path=".", model_dir=".")


def fit(learn, record, epochs=3, rates=None):
    learn.logger = print
    with learn.no_bar(), learn.no_logging():
        cbs = [PlannedRates(rates or [[rate] for rate in plan()]), record]
        learn.fit(epochs, 0.3, cbs=cbs)  # a rate that is not the plan's


CYCLE = {"div": 5, "div_final": 1e5, "pct_start": 1 / 3}


def plan(epochs=3, n_batches=4):
    return planned_rates(epochs * n_batches, 0.1, **CYCLE)


def test_what_was_applied_is_recorded_beside_the_plan(tmp_path):
    record = ScheduleRecord(plan(), partial(write_schedule, tmp_path / "schedule.csv"))
    fit(learner(), record)
    assert [row.lr for row in record.rows] == plan()
    assert [row.epoch for row in record.rows] == [step / 4 for step in range(12)]
    assert {row.momentum for row in record.rows} == {0.9}
    lines = (tmp_path / "schedule.csv").read_text().splitlines()
    assert lines[0] == "step,epoch,lr,momentum,planned_lr"
    assert len(lines) == 13


def test_every_group_gets_its_own_rate():
    learn, rates = learner(), OneCycle([0.1, 0.8], **CYCLE, decay="linear", starts=[0, 1 / 3]).table(12)
    learn.splitter = lambda model: [{"params": [model.weight]}, {"params": [model.bias]}]
    seen = []
    watch = Callback(after_step=lambda self: seen.append([group["lr"] for group in self.opt.opt.param_groups]))
    learn.add_cb(watch)
    fit(learn, ScheduleRecord([first for first, _ in rates]), rates=rates)
    assert seen == rates
    assert seen[3][1] == 0 < seen[4][1]


def test_fastai_gets_the_rates_and_moments_that_its_recorder_draws():
    learn = learner()
    fit(learn, ScheduleRecord(plan()))
    assert learn.recorder.hps == {"lr": plan(), "mom": [0.9] * 12}
    assert learn.recorder.lrs == plan()


class SchedulerThatStartsAgain(ParamScheduler):
    """A faulty scheduler that starts again in each epoch, which was the error of the work this project started from."""

    order = 62

    def __init__(self):
        super().__init__({"lr": OneCycle([0.1], **CYCLE)})

    def before_batch(self):
        self._update_val(self.iter / (self.n_iter * self.n_epoch))


class RateSetByHand(Callback):
    order = 62

    def before_step(self):
        if self.train_iter == 5:
            self.opt.set_hyper("lr", float(self.opt.hypers[0]["lr"]) * (1 + 1e-6))


@pytest.mark.parametrize(("intruder", "step"), [(SchedulerThatStartsAgain, 4), (RateSetByHand, 5)])
def test_a_rate_that_leaves_the_plan_ends_the_run_at_once(intruder, step):
    learn, record = learner(), ScheduleRecord(plan())
    learn.add_cb(intruder())
    with pytest.raises(TrainingError, match=f"the learning rate at step {step} "):
        fit(learn, record)
