"""The groups of parameters: what decays, what trains at a rate of its own, and when it starts."""

import pytest
import torch

from learners import Recipe, ResNet18
from learners.optimizer import FILTERS_RATE, opt_func, param_groups

CHANNELS = 4800  # with norms


def resolved(**settings):
    return Recipe(**settings).resolve(images=50_000, size=32, mirror="alternate", crop=0.125)


def count(group):
    return sum(p.numel() for p in group.params)


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "muon"}, {"freeze_stem": 3}, {"optimizer": "muon", "freeze_stem": 3}]
)
def test_the_groups_hold_every_parameter_once(settings):
    model = ResNet18()
    held = [p for group in param_groups(model, resolved(**settings)) for p in group.params]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))


def test_only_matrices_decay_and_only_norm_biases_train_faster():
    weights, norm_biases, rest = param_groups(ResNet18(), resolved(weight_decay=5e-4, bias_lr=4))
    assert count(weights) == 11_173_962 - 2 * CHANNELS - 10  # ten biases of the head
    assert count(norm_biases) == CHANNELS
    assert [g.weight_decay for g in (weights, norm_biases, rest)] == [5e-4, 0, 0]
    assert [g.factor for g in (weights, norm_biases, rest)] == [1, 4, 1]


def test_a_frozen_stem_is_a_group_that_starts_later():
    model = ResNet18()
    *others, stem = param_groups(model, resolved(freeze_stem=3))
    assert [id(p) for p in stem.params] == [id(model.conv1.weight)]
    assert [g.start for g in (*others, stem)] == [0, 0, 0, 3]


def test_muon_steps_the_filters_and_sgd_the_head():
    model = ResNet18()
    head, *_, filters = param_groups(model, resolved(optimizer="muon"))
    assert [id(p) for p in head.params] == [id(model.fc.weight)]
    assert filters.orthogonal
    assert filters.factor == FILTERS_RATE
    assert {p.ndim for p in filters.params} == {4}
    assert len(filters.params) == 20  # 17 convolutions of 3×3, three of 1×1


def test_a_step_of_each_group_is_the_closed_form():
    """One step of Nesterov SGD on a constant gradient, with weight decay in the first group."""
    recipe = resolved(momentum=0.9)
    params = [torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64)) for _ in range(3)]
    groups = [{"params": [p], "weight_decay": wd} for p, wd in zip(params, (0.1, 0, 0), strict=True)]
    opt = opt_func(recipe)(groups, lr=recipe.lr)
    rates = (0.25, 2.0, 0.25)
    opt.set_hyper("lr", list(rates))
    for p in params:
        p.grad = torch.ones_like(p)
    opt.step()
    gradients = (1 + 0.1 * 2.0, 1.0, 1.0)
    expected = [2.0 - rate * (1 + 0.9) * g for rate, g in zip(rates, gradients, strict=True)]
    assert [p.item() for p in params] == pytest.approx(expected, rel=1e-12)


def test_one_kernel_for_all_parameters_gives_the_steps_of_one_for_each():
    """Ten steps in float64, with momentum and decay; where a device has no such kernel there is nothing to compare."""
    finals = []
    for fused in (True, False):
        torch.manual_seed(0)
        params = [torch.nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in ((5, 3), (7,), (2, 3, 3))]
        recipe = resolved(momentum=0.9)
        opt = opt_func(recipe)([{"params": params, "weight_decay": 0.01}], lr=0.1)
        assert opt.opt.param_groups[0]["fused"] is True
        opt.opt.param_groups[0]["fused"] = fused
        for _ in range(10):
            for param in params:
                param.grad = torch.randn_like(param)
            opt.step()
        finals.append(params)
    for ours, plain in zip(*finals, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
