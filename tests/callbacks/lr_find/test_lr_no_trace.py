"""The range test changes nothing of the learner or the random states, also after an exception."""

import copy
import random
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.optimizer import Adam
from torch import nn

from callbacks.lr_find.finder import find_lr
from callbacks.lr_find.finder_learner import finder_learner_of
from callbacks.lr_find.preserve import generators_in
from learners import image_learner
from tests.callbacks.lr_find.lr_learner import small_learner, small_net

EXPECTED_GENERATORS = 5  # four of the data set and the loader's own


class Fails(nn.Module):
    """Raises an exception in the given forward pass, as a device without free memory does; copies share the count."""

    def __init__(self, error: type[BaseException] | None, at: int = 0):
        super().__init__()
        self.error, self.at = error, at
        type(self).calls = 0

    def forward(self, x):
        type(self).calls += 1
        if self.error and self.calls == self.at:
            raise self.error("in the middle of the sweep")
        return x


def failing_net(error, at=0):
    return nn.Sequential(Fails(error, at), *small_net())


def everything(learn) -> dict:
    """A copy of all state that could change a later fit."""
    loader, own = learn.dls.train, learn.dls.train_ds.own
    state = {
        "model": learn.model.state_dict(),
        "modes": [module.training for module in learn.model.modules()],
        "gradients": [p.grad for p in learn.model.parameters()],
        "optimizer": learn.opt and [learn.opt.state_dict(), list(learn.opt.hypers)],
        "global generators": [random.getstate(), np.random.get_state(), torch.get_rng_state()],
        "own generators": [own[0].bit_generator.state, own[1].get_state(), own[2].getstate(), own[3].get_state()],
        "loader": [loader.rng.getstate(), sorted(vars(loader))],
        "learner": {k: v for k, v in vars(learn).items() if isinstance(v, int | float | str)},
        "recorder": {k: v for k, v in vars(learn.recorder).items() if isinstance(v, list)},
        "callbacks": [type(cb).__name__ for cb in learn.cbs],
        "autocast": [torch.is_autocast_enabled("cpu"), autocast_depth()],
    }
    return copy.deepcopy(state)


def autocast_depth() -> int:
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()


def same(a, b) -> bool:
    """Whether two values, or all values in two containers, are equal to the last bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def changed(before: dict, after: dict) -> list[str]:
    return [name for name in before if not same(before[name], after[name])]


def fitted(learn) -> dict:
    learn.fit_one_cycle(2, 0.1)
    return {"weights": learn.model.state_dict(), "losses": [float(loss) for loss in learn.recorder.losses]}


@pytest.mark.parametrize("opt_func", [None, Adam], ids=["torch", "fastai"])
@pytest.mark.parametrize("fitted_before", [False, True])
def test_nothing_changes(fitted_before, opt_func):
    learn = small_learner(**({"opt_func": opt_func} if opt_func else {}))
    if fitted_before:
        learn.fit_one_cycle(1, 0.1)
    before = everything(learn)
    find_lr(learn, num_it=60)
    assert changed(before, everything(learn)) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, torch.OutOfMemoryError, SystemExit])
@pytest.mark.parametrize("at", [1, 12, 45], ids=["first step", "range test", "short run"])
def test_nothing_changes_when_a_step_fails(error, at):
    learn = small_learner(partial(failing_net, error, at), n=640, bs=32)
    before = everything(learn)
    with pytest.raises(error, match="in the middle"):
        find_lr(learn, end_lr=10.0, num_it=120)
    assert changed(before, everything(learn)) == []


def test_a_fit_after_it_equals_a_fit_without_it():
    expected = fitted(small_learner())
    swept = small_learner()
    find_lr(swept, num_it=60)
    assert same(fitted(swept), expected)


def test_a_fit_after_an_interrupt_equals_a_fit_without_it():
    expected = fitted(small_learner(partial(failing_net, None)))
    cut = small_learner(partial(failing_net, KeyboardInterrupt, 17))
    with pytest.raises(KeyboardInterrupt):
        find_lr(cut, num_it=60)
    cut.model[0].error = None
    assert same(fitted(cut), expected)


def test_a_fit_of_an_image_learner_is_the_same_after_it():
    settings = {"size": 8, "limit": 96, "epochs": 2, "batch_size": 16, "device": "cpu"}
    plain, swept = image_learner("digits", **settings), image_learner("digits", **settings)
    next(iter(plain.dls.train)), next(iter(swept.dls.train))
    find_lr(swept, num_it=24)
    assert swept.dls.train.epoch == plain.dls.train.epoch == 1
    plain.fit_one_cycle(2, 0.05)
    swept.fit_one_cycle(2, 0.05)
    assert same(swept.model.state_dict(), plain.model.state_dict())


def test_it_writes_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    learn = small_learner(path=tmp_path / "absent")
    find_lr(learn, num_it=60)
    assert list(tmp_path.iterdir()) == []


def test_twice_gives_the_same_answer():
    learn = small_learner()
    assert find_lr(learn, num_it=60).to_dict() == find_lr(learn, num_it=60).to_dict()


def test_callbacks_that_only_watch_do_not_fire():
    class Watches(Callback):
        events = 0

        def before_batch(self):
            Watches.events += 1

        def after_batch(self):
            Watches.events += 1

    find_lr(small_learner(cbs=[Watches()]), num_it=60)
    assert Watches.events == 0


def test_a_callback_that_shapes_the_step_takes_part_as_a_copy():
    class Scales(Callback):
        shapes_step, factor, calls = True, 3.0, 0

        def after_loss(self):
            self.calls += 1
            self.learn.loss = self.learn.loss * self.factor

    scales = Scales()
    plain, scaled = find_lr(small_learner(), num_it=60), find_lr(small_learner(cbs=[scales]), num_it=60)
    assert scaled.sweeps[0].losses == pytest.approx(3 * plain.sweeps[0].losses, rel=1e-6)
    assert scales.calls == 0


def test_autocast_that_a_failed_step_left_on_is_ended():
    """fastai's `MixedPrecision` leaves autocast on if a forward pass fails."""

    class EntersAutocast(Callback):
        shapes_step = True

        def before_batch(self):
            torch.autocast("cpu", torch.float16).__enter__()

    before = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), autocast_depth()
    learn = small_learner(partial(failing_net, torch.OutOfMemoryError, 3), cbs=[EntersAutocast()])
    with pytest.raises(torch.OutOfMemoryError):
        find_lr(learn, num_it=60)
    assert (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), autocast_depth()) == before


def test_every_generator_of_a_loader_is_found():
    assert len(generators_in(small_learner().dls.train)) == EXPECTED_GENERATORS


def test_a_twin_shares_no_tensor_and_its_optimizer_steps_its_own_model():
    learn = small_learner()
    learn.fit_one_cycle(1, 0.1)
    twin = finder_learner_of(learn)
    tensors = [*twin.model.state_dict(keep_vars=True).values(), *(p for group in twin.opt.param_lists for p in group)]
    mine = {t.data_ptr() for t in learn.model.state_dict().values()}
    assert mine.isdisjoint(t.data_ptr() for t in tensors)
    assert {id(p) for group in twin.opt.param_lists for p in group} == {id(p) for p in twin.model.parameters()}
    assert same(twin.opt.state_dict(), learn.opt.state_dict())


def test_a_model_that_keeps_computed_tensors_can_be_swept():
    """Weight normalisation in its old form keeps a tensor with a graph, which `copy.deepcopy` refuses."""

    def model():
        net = small_net()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            net[0] = nn.utils.weight_norm(net[0])
        return net

    learn = small_learner(model)
    learn.model(torch.zeros(2, 1, 8, 8))
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(learn.model)
    before = everything(learn)
    find_lr(learn, num_it=60)
    assert changed(before, everything(learn)) == []
