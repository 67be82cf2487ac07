"""Heatmaps find planted evidence and pass the test; maps that do not depend on it pass as rarely as by chance."""

import pytest
import torch
from scipy.stats import binom
from torch import nn

from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import DEFAULT_METHOD
from callbacks.gradcam.trust import SIGNIFICANCE_LEVEL, measure_trust
from tests.callbacks.gradcam.planted import Planted, planted, trained_on

COUNT = 60
CHANCE = (
    binom.ppf(0.999, COUNT, SIGNIFICANCE_LEVEL) / COUNT
)  # the share with p ≤ 0.05 that chance exceeds once in a thousand times


@pytest.fixture(scope="module")
def images() -> Planted:
    return planted(COUNT, seed=1)


@pytest.fixture(scope="module")
def net() -> nn.Module:
    seen = planted(512, seed=0)
    return trained_on(seen.xb, seen.yb)


@pytest.fixture(scope="module")
def shuffled_nets() -> list[nn.Module]:
    """Two models, each trained on its own images with its own shuffled labels."""
    return [trained_on(seen.xb, shuffled(seen.yb, seed), seed=seed) for seed, seen in training_sets()]


def training_sets() -> list[tuple[int, Planted]]:
    return [(seed, planted(512, seed=seed)) for seed in (0, 3)]


def shuffled(labels: torch.Tensor, seed: int) -> torch.Tensor:
    return labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]


def share_passed(net, images, maps) -> float:
    trust = measure_trust(net, images.xb, maps, images.yb)
    return sum(one.passed for one in trust) / len(trust)


def on_patch(images, maps) -> torch.Tensor:
    return (maps * images.patch).sum((1, 2)) / maps.sum((1, 2)).clamp(min=1e-9)


def test_the_default_finds_the_patch_and_is_trusted(net, images):
    assert (net(images.xb).argmax(1) == images.yb).all()
    maps = grad_cam(net, images.xb, images.yb, method=DEFAULT_METHOD)
    assert on_patch(images, maps).min() >= 0.95
    assert share_passed(net, images, maps) >= 0.95


def test_a_second_fill_agrees_about_the_patch(net, images):
    trust = measure_trust(net, images.xb, images.patch, images.yb)
    assert all(one.agrees and one.drop > 0 for one in trust)


def test_evidence_that_the_labels_hold_is_confirmed_by_a_second_net(net, images):
    """The second model was trained on other images and labels, drawn independently."""
    _, (seed, seen) = training_sets()
    maps = grad_cam(trained_on(seen.xb, seen.yb, seed=seed), images.xb, images.yb, method=DEFAULT_METHOD)
    assert share_passed(net, images, maps) >= 0.95


@pytest.mark.parametrize("first", [0, 1])
def test_on_shuffled_labels_a_second_net_confirms_as_often_as_chance(shuffled_nets, images, first):
    """Each model depends on some cells, and its own p-values show it, but the two sets have no evidence in common."""
    maps = grad_cam(shuffled_nets[first], images.xb, images.yb, method=DEFAULT_METHOD)
    assert share_passed(shuffled_nets[1 - first], images, maps) <= CHANCE


def test_maps_of_a_net_that_learnt_shuffled_labels_pass_as_often_as_chance(net, shuffled_nets, images):
    """They show the cells on which that model depends, which are not the patch; the model of the patch rejects them."""
    maps = grad_cam(shuffled_nets[0], images.xb, images.yb, method=DEFAULT_METHOD)
    assert on_patch(images, maps).mean() < 0.25
    assert share_passed(net, images, maps) <= CHANCE


def test_maps_of_other_images_pass_as_often_as_chance(net, images):
    maps = grad_cam(net, images.xb, images.yb, method=DEFAULT_METHOD)
    assert share_passed(net, images, maps.roll(1, 0)) <= CHANCE


def test_random_smooth_maps_pass_as_often_as_chance(net, images):
    """These smooth maps do not depend on the model or the image."""
    draw = torch.Generator().manual_seed(5)
    maps = nn.functional.interpolate(torch.rand(COUNT, 1, 5, 5, generator=draw), 32, mode="bicubic")[:, 0]
    assert share_passed(net, images, maps) <= CHANCE
