"""Each training method leaves the same weights, learning rates and metrics as in plain fastai."""

from functools import partial

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import SGD, Adam, OptimWrapper, ranger
from torch import nn

from tests.idioms.learner_pair import assert_same, assert_same_weights, learner_pair, on_both, with_our_optimizer


@pytest.fixture
def pair(tmp_path):
    return learner_pair(tmp_path)


class Settings(Callback):
    """Records learning rate and weight decay of each parameter group, and the momentum of the last, in each step."""

    def before_fit(self):
        self.seen = []

    def after_step(self):
        hypers = self.opt.hypers
        self.seen.append([*(hyper["lr"] for hyper in hypers), *(hyper["wd"] for hyper in hypers), hypers[-1]["mom"]])


def settings_of(learn, verb) -> np.ndarray:
    """The recorded settings of this fit, steps×settings."""
    noted = Settings()
    learn.add_cb(noted)
    verb(learn)
    learn.remove_cb(noted)
    return torch.tensor(noted.seen, dtype=torch.float64)


def figures(learn) -> list:
    """The validation loss and metrics of each epoch."""
    return [[float(value) for value in row[1:]] for row in learn.recorder.values]


VERBS = {
    "fit": lambda learn: learn.fit(2, 0.05),
    "fit(slice(low, high))": lambda learn: learn.fit(1, slice(1e-3, 0.1)),
    "fit(slice(high))": lambda learn: learn.fit(1, slice(0.1)),
    "fit([low, high])": lambda learn: learn.fit(1, [1e-3, 0.1]),
    "fit(start_epoch)": lambda learn: learn.fit(3, 0.05, start_epoch=1),
    "fit(reset_opt)": lambda learn: [learn.fit(1, 0.05), learn.fit(1, 0.05, reset_opt=True)],
    "fit_one_cycle": lambda learn: learn.fit_one_cycle(2, 0.1, div=10, pct_start=0.3, moms=(0.9, 0.8, 0.9)),
    "fit_flat_cos": lambda learn: learn.fit_flat_cos(2, 0.05, pct_start=0.5),
    "fit_sgdr": lambda learn: learn.fit_sgdr(2, 1, 0.05),
    "fine_tune": lambda learn: learn.fine_tune(1, 0.05),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_fit_is_that_of_plain_fastai(table, pair, name):
    start = pair.ours.model[-1].weight.detach().clone()
    assert_same(*on_both(pair, partial(settings_of, verb=VERBS[name])))
    assert not torch.equal(pair.ours.model[-1].weight, start)
    assert_same_weights(pair)
    last = len(pair.plain.recorder.losses)
    ours, plain = (each.recorder for each in pair)
    if name != "fit(start_epoch)":  # fastai's own recorder has a row for what was skipped
        assert_same(figures(pair.ours), figures(pair.plain))
    assert_same([float(x) for x in ours.losses[-last:]], [float(x) for x in plain.losses])
    assert_same(list(ours.lrs), list(plain.lrs))
    compared = "plain fastai, torch's SGD: weights, validation, the rate and momentum of each step"
    table.works(f"Learner.{name}", compared)


def test_a_weight_decay_is_that_of_the_fit(table, pair):
    with_our_optimizer(pair)  # norms and biases do not decay
    assert_same(*on_both(pair, partial(settings_of, verb=lambda learn: learn.fit_one_cycle(1, 0.05, wd=0.5))))
    assert_same_weights(pair)
    table.works("Learner.fit(wd)", "plain fastai with the recipe's optimizer: weights, and the decay of each step")


OPTIMIZERS = {
    "Adam": Adam,
    "SGD": partial(SGD, mom=0.9),
    "ranger": ranger,
    "OptimWrapper(opt=AdamW)": partial(OptimWrapper, opt=torch.optim.AdamW),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_another_optimizer_trains_as_on_plain_fastai(table, pair, name):
    for each in pair:
        each.opt_func = OPTIMIZERS[name]
    on_both(pair, lambda learn: learn.fit_one_cycle(1, slice(1e-4, 1e-2)))
    assert_same_weights(pair)
    assert_same(list(pair.ours.recorder.lrs), list(pair.plain.recorder.lrs))
    table.works(f"Learner.opt_func = {name}", "plain fastai: weights and rates of one cycle")


def test_another_splitter_is_used(table, pair):
    for each in pair:
        each.splitter = lambda model: [list(part.parameters()) for part in (model[:2], model[2:4], model[4:])]
    noted = on_both(pair, partial(settings_of, verb=lambda learn: learn.fit(1, slice(1e-3, 0.1))))
    assert noted[0][0, :3].tolist() == pytest.approx([0.001, 0.01, 0.1])
    assert_same(*noted)
    assert_same_weights(pair)
    table.works("Learner.splitter", "plain fastai: the rates of three depths, and the weights")


def test_another_loss_is_trained_with(table, pair):
    for each in pair:
        each.loss_func = CrossEntropyLossFlat(weight=torch.arange(1.0, 11.0))
    on_both(pair, lambda learn: learn.fit(1, 0.05))
    assert_same_weights(pair)
    table.works("Learner.loss_func", "plain fastai: the weights after an epoch of a weighted loss")


def test_create_opt_makes_the_groups(table, pair):
    def groups(learn):
        learn.create_opt()
        return [len(params) for params in learn.opt.param_lists], [hyper["lr"] for hyper in learn.opt.hypers]

    for opt_func in (None, Adam):
        for each in pair:
            each.opt_func = opt_func or each.opt_func
        assert_same(*on_both(pair, groups))
    table.works("Learner.create_opt", "plain fastai: groups and their rates")


def trainable(learn) -> list[str]:
    return [name for name, param in learn.model.named_parameters() if param.requires_grad]


FREEZING = {
    "freeze": lambda learn: learn.freeze(),
    "freeze_to": lambda learn: [learn.freeze(), learn.freeze_to(1)],
    "unfreeze": lambda learn: [learn.freeze(), learn.fit(1, 0.05), learn.unfreeze()],
}


@pytest.mark.parametrize("name", FREEZING)
def test_what_is_frozen_stays_and_the_rest_trains(table, pair, name):
    on_both(pair, FREEZING[name])
    frozen = {"0.weight", "0.bias", "3.weight", "3.bias"} if name != "unfreeze" else set()
    assert set(trainable(pair.ours)) == {key for key, _ in pair.ours.model.named_parameters()} - frozen
    assert trainable(pair.ours) == trainable(pair.plain)  # norms of a frozen body train, as fastai has it
    before = {key: param.detach().clone() for key, param in pair.ours.model.named_parameters()}
    on_both(pair, lambda learn: learn.fit(1, 0.05))
    still = {key for key, param in pair.ours.model.named_parameters() if torch.equal(param, before[key])}
    assert still == frozen
    assert_same_weights(pair)
    table.works(f"Learner.{name}", "plain fastai: what trains, and the weights of the fit after it")


class Batches(Callback):
    """Records the input and target of each batch and its position in the fit."""

    def before_fit(self):
        self.seen = []

    def before_batch(self):
        where = [self.epoch, self.n_epoch, self.iter, self.n_iter, self.training, self.train_iter, self.pct_train]
        self.seen.append([self.learn.x, self.learn.y, *where])


def test_a_callback_sees_the_batch_and_where_in_the_fit_it_is(table, pair):
    def batches(learn):
        noted = Batches()
        learn.fit(2, 0.05, cbs=noted)
        return noted.seen

    assert_same(*on_both(pair, batches))
    for name in ("x", "y", "epoch", "iter", "training", "pct_train"):
        table.works(f"Learner.{name}", "plain fastai: what a callback reads in each batch of a fit")


def test_a_net_on_a_batch_by_hand(table, pair):
    """A training loop by the user between two fits, with the model in the mode in which validation leaves it."""
    batch = pair.ours.dls.valid.one_batch()

    def by_hand(learn):
        learn.fit(1, 0.05)
        with torch.no_grad():
            learn.one_batch(0, batch)
            alone = learn.pred.clone(), learn.loss.clone()
            learn.dl = [batch, batch]
            learn.all_batches()
        return [*alone, learn.pred, learn.loss, learn.iter]

    found, expected = on_both(pair, by_hand)
    assert_same(found, expected)
    x, y = (part.as_subclass(torch.Tensor) for part in batch)
    loss = nn.CrossEntropyLoss(label_smoothing=pair.ours.plan.label_smoothing)
    with torch.no_grad():
        assert_same(found[:2], [logits := pair.ours.model(x), loss(logits, y)])
    for name in ("one_batch", "all_batches"):
        table.works(f"Learner.{name}", "plain fastai and plain torch: logits and loss")
