"""A step of this learner has the events and the numbers of fastai's, with plain tensors."""

from contextlib import contextmanager

import fastai.callback.progress  # noqa: F401  gives learners `no_bar`
import pytest
import torch
from fastai.callback.core import (
    Callback,
    CancelBackwardException,
    CancelBatchException,
    CancelStepException,
    TrainEvalCallback,
)
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from fastai.torch_core import TensorCategory, TensorImage
from fasttransform import Transform
from torch import nn

from learners import image_learner
from learners.training.plan_fit import planned_rates
from learners.training.step import STEP_EVENTS, StepLearner

WITHIN = ("before_batch", "after_pred", "after_loss", "before_backward", "before_step")


class Tell(Callback):
    """Records every event of a step, and raises at one of them."""

    def __init__(self, at=None, error=None):
        self.told, self.at, self.error = [], at, error
        for event in STEP_EVENTS:
            setattr(self, event, lambda event=event: self.tell(event))

    def tell(self, event):
        self.told.append((event, self.training, self.iter))
        if event == self.at and self.iter == 1:
            raise self.error()


@contextmanager
def silent(learn):
    learn.logger = lambda log: None
    with learn.no_bar(), learn.no_logging():
        yield learn


def fitted(cls, *cbs):
    torch.manual_seed(0)
    batches = [(TensorImage(torch.randn(8, 3)), TensorCategory(torch.randint(0, 2, (8,)))) for _ in range(3)]
    sgd = lambda params, lr: OptimWrapper(params, torch.optim.SGD, lr=lr, momentum=0.9)  # noqa: E731
    dls, model = DataLoaders(batches, batches[:2]), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    learn = cls(dls, model, nn.CrossEntropyLoss(), opt_func=sgd, lr=0.1, path=".", model_dir=".", cbs=cbs)
    with silent(learn):
        learn.fit(2)
    return learn


CANCELLED = [(None, None)] + [(event, CancelBatchException) for event in WITHIN]
CANCELLED += [("before_backward", CancelBackwardException), ("before_step", CancelStepException)]


@pytest.mark.parametrize(("at", "error"), CANCELLED)
def test_the_events_and_the_weights_are_fastais(at, error):
    told = {cls: Tell(at, error) for cls in (Learner, StepLearner)}
    theirs, ours = (fitted(cls, tell).model.state_dict() for cls, tell in told.items())
    assert told[StepLearner].told == told[Learner].told
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


class LateComer(Callback):
    """Adds another callback in the middle of an epoch, and removes it again."""

    order = 1

    def __init__(self):
        self.other = Tell()

    def before_batch(self):
        if self.training and self.epoch == 0 and self.iter == 1:
            self.learn.add_cb(self.other)

    def after_batch(self):
        if self.training and self.epoch == 1 and self.iter == 0:
            self.learn.remove_cb(self.other)


def test_a_callback_that_comes_or_goes_within_an_epoch_is_heard_from_then_on():
    late = LateComer()
    fitted(StepLearner, late)
    steps = [(training, i) for event, training, i in late.other.told if event == "after_step"]
    assert steps == [(True, 1), (True, 2), (True, 0)]


def test_callbacks_without_an_event_are_not_called_for_it():
    quiet = TrainEvalCallback()
    learn = fitted(StepLearner)
    learn.add_cb(quiet)
    learn("after_pred")
    assert [type(cb) for cb in learn._listeners[1]["after_batch"]].count(TrainEvalCallback) == 2
    assert not any(isinstance(cb, TrainEvalCallback) for cb in learn._listeners[1]["after_pred"])


class Types(Callback):
    """Records the types of the tensors of a step."""

    order = 1

    def __init__(self):
        self.seen = set()

    def after_loss(self):
        self.seen |= {type(t) for t in (*self.xb, *self.yb, self.pred, self.learn.loss, self.loss_grad)}


def test_the_model_and_the_loss_get_plain_tensors(tiny):
    learn, types = image_learner(**tiny), Types()
    learn.add_cb(types)
    learn.model.register_forward_pre_hook(lambda module, args: types.seen.add(type(args[0])))
    learn.fit(1)
    assert types.seen == {torch.Tensor}


# A run in float64 is the loop that one would write by hand, to 1e-12


class ToFloat64(Transform):
    order = 100  # after normalising

    def encodes(self, x: TensorImage):
        return x.double()


def net():
    torch.manual_seed(5)
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    return nn.Sequential(*layers).double()


def by_hand(learn):
    """Return training losses by epoch, validation loss and averaged weights of a plain loop without fused SGD."""
    recipe, model = learn.plan, net()
    loss_func = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    conv, norm, head, decay = model[0], model[1], model[-1], {"weight_decay": recipe.weight_decay}
    body = {"params": [conv.weight]} | decay, {"params": [norm.bias]}, {"params": [conv.bias, norm.weight]}
    groups = [*body, {"params": [head.weight]} | decay, {"params": [head.bias]}]
    opt = torch.optim.SGD(groups, lr=1.0, momentum=recipe.momentum, nesterov=True, foreach=False, fused=False)
    plan = planned_rates(learn)
    average, losses = {name: torch.zeros_like(t) for name, t in model.state_dict().items()}, []
    horizon = max(1.0, 0.05 * len(plan))
    for step in range(len(plan)):
        if step % len(learn.dls.train) == 0:
            learn.dls.train.epoch = step // len(learn.dls.train)
            batches, sums = iter(learn.dls.train), []
        x, y = next(batches)
        for group, rate in zip(opt.param_groups, plan[step], strict=True):
            group["lr"] = rate
        loss = loss_func(model(x.as_subclass(torch.Tensor)), y.as_subclass(torch.Tensor))
        opt.zero_grad()
        loss.backward()
        opt.step()
        sums.append(loss.item() * len(y))
        share = max(1 / horizon, 1 / (step + 1))
        for name, tensor in model.state_dict().items():
            average[name] = (1 - share) * average[name] + share * tensor
        if (step + 1) % len(learn.dls.train) == 0:
            losses.append(sum(sums) / (len(sums) * len(y)))
    average["1.num_batches_tracked"] = model[1].num_batches_tracked
    model.load_state_dict(average)
    model.eval()
    with torch.no_grad():
        parts = [
            (loss_func(model(x.as_subclass(torch.Tensor)), torch.Tensor(y).long()).item(), len(y))
            for x, y in learn.dls.valid
        ]
    return losses, sum(loss * n for loss, n in parts) / sum(n for _, n in parts), model.state_dict()


def test_in_float64_a_run_is_the_loop_by_hand_to_12_digits(tiny):
    learn = image_learner(**tiny, device="cpu", model=net())
    learn.dls.add_tfms([ToFloat64()], "after_batch")
    learn.fit_recipe()
    rows = learn.fitted.epochs
    losses, valid_loss, weights = by_hand(learn)
    assert [row.train_loss for row in rows] == pytest.approx(losses, rel=1e-12)
    assert rows[-1].valid_loss == pytest.approx(valid_loss, rel=1e-12)
    for name, tensor in weights.items():
        torch.testing.assert_close(learn.model.state_dict()[name], tensor, rtol=1e-12, atol=1e-12, msg=name)
