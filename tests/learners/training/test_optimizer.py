"""The parameter groups: weight decay, learning rate, start and depth."""

import numpy as np
import pytest
import torch
from fastai.learner import Learner
from fastai.optimizer import SGD
from torch import nn

from data import image_dls
from learners import Recipe, ResNet18, image_learner
from learners.training.optimizer import MUON_LR_SCALE, RecipeOptimizer, body_and_head, param_groups

CHANNELS = 4800  # with norms


def resolved(**settings):
    return Recipe(**settings).resolve(images=50_000, size=32, mirror="alternate", crop=0.125)


def count(groups):
    return sum(p.numel() for group in groups for p in group.params)


def of(groups, **wanted):
    return [group for group in groups if all(getattr(group, name) == value for name, value in wanted.items())]


@pytest.mark.parametrize(
    "settings", [{}, {"optimizer": "muon"}, {"freeze_stem": 3}, {"optimizer": "muon", "freeze_stem": 3}]
)
def test_the_groups_hold_every_parameter_once(settings):
    model = ResNet18()
    model.layer1.requires_grad_(False)  # as after `freeze`: a group that lacked them could never train them again
    held = [p for group in param_groups(model, resolved(**settings)) for p in group.params]
    assert sorted(map(id, held)) == sorted(map(id, model.parameters()))


def test_only_matrices_decay_and_only_norm_biases_train_faster():
    groups = param_groups(ResNet18(), resolved(norm_bias_lr_scale=4, optimizer="sgd"))
    assert count(of(groups, decays=True)) == 11_173_962 - 2 * CHANNELS - 10  # ten biases of the head
    assert count(of(groups, factor=4)) == CHANNELS
    assert all(not group.decays for group in of(groups, factor=4))


def test_body_and_head_are_the_depths():
    model = ResNet18()
    body, head = body_and_head(model)
    assert list(map(id, head)) == list(map(id, model.fc.parameters()))
    assert len(body) + len(head) == 62
    assert {group.depth for group in param_groups(model, resolved())} == {0, 1}


def test_the_head_of_a_wrapped_net_is_found_and_a_single_layer_is_one_group():
    head = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2))
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), head))
    assert [len(depth) for depth in body_and_head(net)] == [2, 4]
    assert [len(depth) for depth in body_and_head(nn.Linear(3, 2))] == [2]


def test_a_frozen_stem_is_a_group_that_starts_later():
    model = ResNet18()
    groups = param_groups(model, resolved(freeze_stem=3))
    (stem,) = of(groups, start=3)
    assert [id(p) for p in stem.params] == [id(model.conv1.weight)]
    assert stem.decays
    assert len(of(groups, start=0)) == len(groups) - 1


def test_muon_steps_the_filters_and_sgd_the_head():
    model = ResNet18()
    groups = param_groups(model, resolved(optimizer="muon"))
    (filters,) = of(groups, orthogonal=True)
    assert [id(p) for p in of(groups, decays=True)[0].params] == [id(model.fc.weight)]
    assert filters.factor == MUON_LR_SCALE
    assert {p.ndim for p in filters.params} == {4}
    assert len(filters.params) == 20  # 17 convolutions of 3×3, three of 1×1


def test_muon_leaves_filters_alone_that_no_norm_follows():
    """Muon rescales filters, which only a norm layer cancels; a convolution with a bias has no norm layer behind it."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4))
    (filters,) = of(param_groups(net, resolved(optimizer="muon")), orthogonal=True)
    assert [id(p) for p in filters.params] == [id(net[1].weight)]


def test_the_recorded_rate_is_the_plan_s_where_the_first_group_has_another():
    """The first group of Muon's body holds norm biases, which have a larger learning rate."""
    settings = {"size": 8, "limit": 64, "batch_size": 16, "epochs": 2, "device": "cpu"}
    rows = {}
    for optimizer in ("sgd", "muon"):
        layers = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        learn = image_learner("digits", **settings, model=nn.Sequential(*layers, nn.Linear(8, 10)), optimizer=optimizer)
        learn.fit_recipe()
        rows[optimizer] = [(row.lr, row.planned_lr) for row in learn.fitted.steps]
        assert learn.recorder.lrs == pytest.approx([lr for lr, _ in rows[optimizer]])
    assert np.array(rows["muon"]) == pytest.approx(np.array(rows["sgd"]), rel=1e-12)


class OneOfEachKind(nn.Module):
    """A net of a matrix, the scale and bias of a norm layer, and a last bias, of one number each."""

    def __init__(self):
        super().__init__()
        self.norm, self.fc = nn.GroupNorm(1, 1).double(), nn.Linear(1, 1).double()
        for param in self.parameters():
            nn.init.constant_(param, 2.0)


def test_a_step_of_each_kind_is_the_closed_form():
    """One step of Nesterov SGD on a constant gradient."""
    net, recipe = OneOfEachKind(), resolved(momentum=0.9, weight_decay=0.1, norm_bias_lr_scale=8)
    opt = RecipeOptimizer(body_and_head(net), 0.25, model=net, recipe=recipe)
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    opt.step()
    stepped = [net.fc.weight, net.norm.bias, net.norm.weight, net.fc.bias]
    gradients, rates = (1 + 0.1 * 2.0, 1.0, 1.0, 1.0), (0.25, 2.0, 0.25, 0.25)
    expected = [2.0 - rate * (1 + 0.9) * g for rate, g in zip(rates, gradients, strict=True)]
    assert [p.item() for p in stepped] == pytest.approx(expected, rel=1e-12)


def test_one_kernel_for_all_parameters_gives_the_steps_of_one_for_each():
    """Ten steps in float64, with momentum and decay; skipped if the device has no fused kernel."""
    finals = []
    for fused in (True, False):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(5, 3)).double()
        opt = RecipeOptimizer(body_and_head(net), 0.1, model=net, recipe=resolved(momentum=0.9, weight_decay=0.01))
        for group in opt.opt.param_groups:
            assert group["fused"] is True
            group["fused"] = fused
        for _ in range(10):
            for param in net.parameters():
                param.grad = torch.randn_like(param)
            opt.step()
        finals.append(list(net.parameters()))
    for ours, plain in zip(*finals, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "muon"}])
def test_momentum_follows_the_memory_layout_of_its_parameter(settings):
    """A model that is converted between two steps gets the same updates as one that is not."""
    finals = []
    for converted in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(5, 3)).to(memory_format=torch.channels_last)
        opt = RecipeOptimizer(body_and_head(net), 0.1, model=net, recipe=resolved(momentum=0.9, **settings))
        for step in range(4):
            if converted and step in (1, 3):
                net.to(memory_format=(torch.contiguous_format, torch.channels_last)[step // 2])
            for param in net.parameters():
                param.grad = torch.empty_like(param).copy_(torch.randn(param.shape))
            opt.step()
        finals.append(list(net.parameters()))
    torch.testing.assert_close(*finals)


# fastai's view: one group for each depth


@pytest.fixture
def opt():
    net = OneOfEachKind()
    return RecipeOptimizer(body_and_head(net), 0.25, model=net, recipe=resolved(weight_decay=0.1, norm_bias_lr_scale=8))


def inner(opt, key):
    return [group[key] for group in opt.opt.param_groups]


@pytest.mark.parametrize("value", [slice(1e-3), slice(1e-4, 1e-2), 0.5, [0.1, 0.2], np.array([0.1, 0.2])])
def test_rates_are_spread_over_the_depths_as_plain_fastai_spreads_them(opt, value):
    plain = SGD([[nn.Parameter(torch.ones(1))], [nn.Parameter(torch.ones(1))]], lr=0.1)
    plain.set_hyper("lr", value)
    opt.set_hyper("lr", value)
    expected = [hyper["lr"] for hyper in plain.hypers]
    assert [hyper["lr"] for hyper in opt.hypers] == pytest.approx(expected)
    body, head = expected
    assert inner(opt, "lr") == pytest.approx([8 * body, body, head, head])  # norm bias, norm scale, matrix, bias


def test_a_weight_decay_reaches_only_what_decays(opt):
    opt.set_hyper("wd", 0.5)
    assert inner(opt, "weight_decay") == [0, 0, 0.5, 0]
    assert [hyper["wd"] for hyper in opt.hypers] == [0, 0.5]


def test_what_a_callback_writes_into_hypers_reaches_the_optimizer(opt):
    """fastai's `ReduceLROnPlateau` does this; it would have no effect on a copy."""
    for hyper in opt.hypers:
        hyper["lr"] *= 0.1
        hyper["mom"] = 0.5
    assert inner(opt, "lr") == pytest.approx([0.2, 0.025, 0.025, 0.025])
    assert inner(opt, "momentum") == [0.5] * 4


def test_a_wrong_number_of_rates_is_an_error(opt):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        opt.set_hyper("lr", [0.1, 0.2, 0.3])


# On the learner


def trainable(model):
    return {name for name, p in model.named_parameters() if p.requires_grad}


def test_freeze_fit_unfreeze_fit_trains_every_tensor(tiny):
    learn = image_learner(**tiny)
    start = {name: p.detach().clone() for name, p in learn.model.named_parameters()}
    learn.freeze()
    learn.fit(1, 0.01)
    moved = {name for name, p in learn.model.named_parameters() if not torch.equal(p, start[name])}
    assert moved == trainable(learn.model)
    assert "layer1.0.conv1.weight" not in moved
    learn.unfreeze()
    learn.fit(1, 0.01)
    assert all(not torch.equal(p, start[name]) for name, p in learn.model.named_parameters())


def test_fine_tune_gives_the_body_the_lower_rates(tiny):
    learn = image_learner(**tiny)
    learn.fine_tune(1, base_lr=0.1)
    body, head = (hyper["lr"] for hyper in learn.opt.hypers)
    assert body == pytest.approx(head / 100)  # fastai's `lr_mult`
    assert len(trainable(learn.model)) == 62


def test_a_plain_fastai_learner_takes_the_optimizer_too(tiny):
    dls = image_dls("digits", Recipe(**tiny))
    net = ResNet18()
    make = lambda params, lr: RecipeOptimizer(params, lr, model=net, recipe=resolved())  # noqa: E731
    learn = Learner(dls, net, nn.CrossEntropyLoss(), opt_func=make, path=".")  # its splitter gives one flat list
    learn.create_opt()
    assert len(learn.opt.hypers) == 1
