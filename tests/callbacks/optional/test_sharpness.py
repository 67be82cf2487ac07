"""Sharpness-aware steps equal the formula with two gradients, written as a plain loop."""

import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import OptimWrapper
from torch import nn

from callbacks.optional.sharpness import RADIUS, SharpnessAware


def batches(count=4):
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(8, 3, generator=generator), torch.randint(0, 2, (8,), generator=generator)) for _ in range(count)
    ]


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def learner(data):
    sgd = lambda params, lr: OptimWrapper(params, torch.optim.SGD, lr=lr)  # noqa: E731
    learn = Learner(DataLoaders(data, data[:1]), net(), nn.CrossEntropyLoss(), opt_func=sgd, path=".", model_dir=".")
    learn.logger = print
    return learn


def by_hand(data, sharp):
    """The weights after plain SGD, which from step `sharp` on uses the gradient at the perturbed weights."""
    model, loss_func = net(), nn.CrossEntropyLoss()
    for step, (x, y) in enumerate(data):
        gradients = torch.autograd.grad(loss_func(model(x), y), list(model.parameters()))
        if step >= sharp:
            norm = torch.cat([g.flatten() for g in gradients]).norm()
            moved = {n: p + RADIUS * g / norm for (n, p), g in zip(model.named_parameters(), gradients, strict=True)}
            buffers = {n: b.clone() for n, b in model.named_buffers()}  # a copy: its statistics are not the model's
            loss = loss_func(torch.func.functional_call(model, {**moved, **buffers}, (x,)), y)
            gradients = torch.autograd.grad(loss, list(moved.values()))
        with torch.no_grad():
            for p, g in zip(model.parameters(), gradients, strict=True):
                p -= 0.1 * g
    return model.state_dict()


@pytest.mark.parametrize(("fraction", "sharp"), [(1.0, 0), (0.5, 2), (0.0, 4)])
def test_the_last_part_of_a_run_follows_the_gradient_at_the_worst_point(fraction, sharp):
    data = batches()
    learn = learner(data)
    with learn.no_bar(), learn.no_logging():
        learn.fit(1, 0.1, cbs=SharpnessAware(fraction), wd=0.0)
    expected = by_hand(data, sharp)
    for name, tensor in learn.model.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6, msg=name)
    assert learn.model[1].momentum == 0.1
