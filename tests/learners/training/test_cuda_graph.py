"""A captured pass replaces the model only where that is correct, and a run with one equals the run without.

These tests use a substitute for CUDA's capture, which also reuses its memory and calls no hooks.
"""

import logging
from dataclasses import asdict

import pytest
import torch
from fastai.callback.core import Callback
from torch import nn
from torch.func import functional_call

from learners import image_learner
from learners.training import warmup
from learners.training.cuda_graph import GraphedModel, gradient_error, noise_batch, trusted_graph

SETTINGS = {"data": "digits", "size": 8, "limit": 64, "batch_size": 16, "epochs": 2, "device": "cpu"}


class Fake(torch.autograd.Function):
    """One autograd function for the whole pass, which writes logits and gradients into the same memory each time."""

    @staticmethod
    def forward(ctx, tape, x, *params):
        ctx.tape = tape
        tape.static.copy_(x)
        with torch.enable_grad():
            tape.logits = tape.run(tape.static)
        tape.out.copy_(tape.logits.detach())
        return tape.out.detach()

    @staticmethod
    def backward(ctx, gradient):
        fresh = torch.autograd.grad(ctx.tape.logits, ctx.tape.params, gradient)
        for kept, new in zip(ctx.tape.grads, fresh, strict=True):
            kept.copy_(new)
        return None, None, *(g.detach() for g in ctx.tape.grads)


class Tape:
    def __init__(self, model, sample):
        self.model, self.static, self.params = model, sample.clone(), list(model.parameters())
        with torch.no_grad():
            self.out = model(sample).clone()
        self.grads = [torch.empty_like(p) for p in self.params]
        self.replays = 0

    def run(self, x):
        return self.model(x)

    def __call__(self, x):
        self.replays += 1
        return Fake.apply(self, x, *self.params)


class Deaf(Tape):
    """A wrong capture, which always replays the batch that it was made with."""

    def __call__(self, x):
        return super().__call__(self.static.clone())


class Frozen(Tape):
    """A wrong capture, which always uses the weights that it was made with."""

    def __init__(self, model, sample):
        super().__init__(model, sample)
        self.former = {name: p.detach().clone() * 1.1 for name, p in model.named_parameters()}

    def run(self, x):
        zero = sum(p.sum() * 0 for p in self.params)
        return functional_call(self.model, self.former, (x,)) + zero


class Refused(Tape):
    def __init__(self, model, sample):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore about it")


def learner(**settings):
    return image_learner(**SETTINGS | settings)


@pytest.fixture
def captured(monkeypatch):
    """Return a function that makes learners on a CPU use a graph of a given capture."""
    tapes = []

    def use(capture=Tape):
        monkeypatch.setattr(warmup, "GRAPH_DEVICES", ("cpu",))
        monkeypatch.setattr(
            "learners.training.cuda_graph.capture_on_cuda", lambda *args: tapes.append(capture(*args)) or tapes[-1]
        )
        return tapes

    return use


def outcome(learn):
    learn.fit_recipe()
    rows = [{k: v for k, v in asdict(row).items() if "second" not in k} for row in learn.fitted.epochs]
    return rows, {name: t.clone() for name, t in learn.model.state_dict().items()}


def assert_same(one, two):
    assert one[0] == two[0]
    assert all(torch.equal(one[1][name], tensor) for name, tensor in two[1].items())


@pytest.fixture(scope="module")
def eager():
    return outcome(learner())


def test_a_run_with_a_graph_is_the_run_without(captured, eager, caplog):
    tapes = captured()
    learn = learner()
    assert_same(outcome(learn), eager)
    assert tapes[0].replays == 2 + 8  # the trials, and every training step
    assert learn.graphed is None
    assert not caplog.records


def test_one_setting_turns_it_off(captured, eager):
    tapes = captured()
    assert_same(outcome(learner(graph=False)), eager)
    assert not tapes


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        (Deaf, "its gradients differ from the eager step's by"),
        (Frozen, "its gradients differ from the eager step's by"),
        (Refused, "it could not be captured (CUDA error: operation not permitted when stream is capturing)"),
    ],
)
def test_a_capture_that_goes_wrong_is_not_trusted_and_the_run_says_so_in_one_line(
    captured, eager, caplog, capture, message
):
    captured(capture)
    assert_same(outcome(learner()), eager)
    assert len(caplog.records) == 1
    assert f"no CUDA graph, every step runs eagerly: {message}" in caplog.text
    assert "more about it" not in caplog.text


def test_a_right_capture_has_the_gradients_of_the_eager_step():
    learn = learner()
    graphed = GraphedModel(learn.model.train(), noise_batch(learn, 0)[0], Tape)
    assert gradient_error(learn, graphed, *noise_batch(learn, 1)) == 0


class Hook(Callback):
    """Registers a hook at a step, and counts its calls in training."""

    def __init__(self, step):
        self.step, self.calls = step, 0

    def before_fit(self):
        if self.step is None:
            self._register()

    def before_batch(self):
        if self.training and self.train_iter == self.step:
            self._register()

    def _register(self):
        self.learn.model.layer1.register_forward_hook(self._count)

    def _count(self, *args):
        self.calls += self.learn is not None and self.learn.training  # None where the run is validated without it


@pytest.mark.parametrize(
    ("step", "calls", "told"), [(3, 5, "from epoch 0, step 3 on"), (5, 3, "from epoch 1, step 1 on")]
)
def test_a_hook_is_called_from_the_step_in_which_it_comes(captured, eager, caplog, step, calls, told):
    tapes, learn, hook = captured(), learner(), Hook(step)
    learn.add_cb(hook)
    assert_same(outcome(learn), eager)
    assert hook.calls == calls
    assert tapes[0].replays == 2 + step
    assert len(caplog.records) == 1
    assert told in caplog.text
    assert "hook" in caplog.text


def test_a_model_that_has_a_hook_is_not_captured(captured, caplog):
    tapes, learn = captured(), learner()
    learn.model.fc.register_forward_pre_hook(lambda *args: None)
    learn.fit_recipe()
    assert not tapes
    assert "a module of the model has a hook" in caplog.text


class Change(Callback):
    """Changes the model before a training step of the second epoch."""

    run_valid = False

    def __init__(self, act):
        self.act = act

    def before_batch(self):
        if self.train_iter == 4:
            self.act(self.learn.model)


CHANGES = {
    "a frozen layer": lambda model: model.fc.weight.requires_grad_(False),
    "another mode": lambda model: model.bn1.eval(),
    "a replaced layer": lambda model: setattr(model.layer1[0], "shortcut", nn.Identity()),
    "moved memory": lambda model: setattr(model.fc.weight, "data", model.fc.weight.data.clone()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_that_changes_is_run_eagerly_from_then_on(captured, caplog, change):
    plain = learner()
    plain.add_cb(Change(CHANGES[change]))
    expected = outcome(plain)
    tapes, learn = captured(), learner()
    learn.add_cb(Change(CHANGES[change]))
    assert_same(outcome(learn), expected)
    assert tapes[0].replays == 2 + 4
    assert len(caplog.records) == 1


class KeepAll(Callback):
    """Keeps the tensors of each step, as a user's callback may."""

    run_valid = False

    def before_fit(self):
        self.kept, self.copies = [], []

    def after_loss(self):
        self.kept.append(self.pred.detach())
        self.copies.append(self.pred.detach().clone())


def test_answers_that_a_callback_keeps_stay_as_they_were(captured):
    captured()
    learn, keep = learner(), KeepAll()
    learn.add_cb(keep)
    learn.fit_recipe()
    assert len(keep.kept) == 8
    assert all(torch.equal(kept, copy) for kept, copy in zip(keep.kept, keep.copies, strict=True))


class Accumulate(Callback):
    """Accumulates the gradients of two batches before each step."""

    run_valid = False

    def before_step(self):
        if self.iter % 2 == 0:
            from fastai.callback.core import CancelBatchException

            raise CancelBatchException


def test_gradients_of_several_steps_add_up(captured):
    plain = learner(lr=0.01)
    plain.add_cb(Accumulate())
    plain.fit(1)
    captured()
    learn = learner(lr=0.01)
    learn.add_cb(Accumulate())
    learn.graphed = GraphedModel(learn.model.train(), noise_batch(learn, 0)[0], Tape)
    learn.model.load_state_dict(learner(lr=0.01).model.state_dict())
    learn.fit(1)
    for name, tensor in plain.model.state_dict().items():
        torch.testing.assert_close(learn.model.state_dict()[name], tensor, rtol=1e-5, atol=1e-6, msg=name)


def test_a_compiled_model_is_left_to_the_compiler(caplog):
    learn = learner(compile=True)
    assert trusted_graph(learn, Tape) is None
    assert "the model is compiled" in caplog.text


def test_the_finder_steps_a_twin_that_no_graph_stands_for(captured):
    captured()
    learn = learner()
    before = learn.lr_find(num_it=8).sweeps[0].losses
    learn.graphed = GraphedModel(learn.model.train(), noise_batch(learn, 0)[0], Tape)
    logging.disable(logging.WARNING)
    after = learn.lr_find(num_it=8).sweeps[0].losses
    logging.disable(logging.NOTSET)
    assert before.tolist() == after.tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_replays_the_eager_step(caplog):
    """CUDA's capture is accepted, its gradients equal those of the eager step, and a run with it learns."""
    learn = learner(device="cuda")
    graphed = trusted_graph(learn)
    assert graphed is not None, caplog.text
    assert gradient_error(learn, graphed, *noise_batch(learn, 9)) < 1e-2
    losses = learner(device="cuda", epochs=3).fit_recipe(), learner(device="cuda", epochs=3, graph=False).fit_recipe()
    assert losses[0]["valid_loss"] == pytest.approx(losses[1]["valid_loss"], rel=0.2)
    assert not caplog.records
