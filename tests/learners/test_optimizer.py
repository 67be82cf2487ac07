"""The groups of parameters: what decays, and what learns at a rate of its own."""

import pytest
import torch

from learners import Recipe, ResNet18
from learners.optimizer import group_rates, opt_func, param_groups


def resolved(**settings):
    return Recipe(**settings).resolve(images=50_000, size=32, mirror="alternate", crop=0.125)


def test_the_groups_hold_every_parameter_once_and_only_matrices_decay():
    model = ResNet18()
    weights, norm_biases, rest = (g["params"] for g in param_groups(model, 5e-4))
    assert sorted(map(id, [*weights, *norm_biases, *rest])) == sorted(map(id, model.parameters()))
    assert sum(p.numel() for p in weights) == 11_173_962 - 2 * 4800 - 10  # 4,800 channels with norms, ten biases
    assert sum(p.numel() for p in norm_biases) == 4800
    assert [g["weight_decay"] for g in param_groups(model, 5e-4)] == [5e-4, 0, 0]


@pytest.mark.parametrize("factor", [1.0, 8.0])
def test_norm_biases_learn_at_their_multiple_of_the_rate(factor):
    """One step of Nesterov SGD on a constant gradient, against its closed form, in each group."""
    recipe = resolved(bias_lr=factor, momentum=0.9, weight_decay=0.1)
    params = [torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64)) for _ in range(3)]
    groups = [{"params": [p], "weight_decay": wd} for p, wd in zip(params, (0.1, 0, 0), strict=True)]
    opt = opt_func(recipe)(groups, lr=recipe.lr)
    opt.set_hyper("lr", group_rates(recipe))
    for p in params:
        p.grad = torch.ones_like(p)
    opt.step()
    gradients = (1 + 0.1 * 2.0, 1.0, 1.0)
    rates = (0.4, 0.4 * factor, 0.4)
    expected = [2.0 - rate * (1 + 0.9) * g for rate, g in zip(rates, gradients, strict=True)]
    assert [p.item() for p in params] == pytest.approx(expected, rel=1e-12)
