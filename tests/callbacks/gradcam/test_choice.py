"""The choice of layer and method, on a model of which it is known which layer depends on the class."""

import copy

import pytest
import torch

from callbacks.gradcam import choice as module
from callbacks.gradcam.choice import Choice, Score, choose_method_and_layer
from tests.callbacks.gradcam.planted import planted, trained_on


@pytest.fixture(scope="module")
def images():
    return planted(24, seed=2)


@pytest.fixture(scope="module")
def net():
    seen = planted(512, seed=0)
    return trained_on(seen.xb, seen.yb)


def test_takes_what_finds_the_evidence(net, images):
    chosen = choose_method_and_layer(net, images.xb, images.yb)
    assert chosen.method == "extremal"
    assert chosen.images == 24
    assert {(s.method, s.layer) for s in chosen.scores} == {
        ("gradcam", "2"),
        ("gradcam", "5"),
        ("extremal", chosen.layer),
    }
    best = next(s for s in chosen.scores if s.method == "extremal")
    assert best.value == max(s.value for s in chosen.scores)
    assert f"{best.passed:.0%} of extremal maps" in chosen.reason


def test_takes_the_layer_and_method_with_the_highest_figures(net, images, monkeypatch):
    figures = {("gradcam", "2"): (0.5, 0.9), ("gradcam", "5"): (0.1, 0.9), ("extremal", "2"): (0.2, 0.9)}

    def score(model, xb, targets, mosaics, method, layer):
        return Score(method, layer, *figures[method, layer])

    monkeypatch.setattr(module, "_score", score)
    chosen = choose_method_and_layer(net, images.xb, images.yb)
    assert (chosen.method, chosen.layer) == ("gradcam", "2")
    alone = choose_method_and_layer(net, images.xb, images.yb, ["extremal"])
    assert (alone.method, alone.layer) == ("extremal", "2")


def test_works_where_no_four_classes_are_right(net, images):
    chosen = choose_method_and_layer(net, images.xb[:6], (net(images.xb[:6]).argmax(1) + 1) % 4, ["extremal"])
    assert all(score.pointed is None for score in chosen.scores)


def test_leaves_the_model_and_the_random_state_alone(net, images):
    weights, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    first, again = (choose_method_and_layer(net, images.xb[:8], images.yb[:8]) for _ in range(2))
    assert first == again
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(weights.values(), net.state_dict().values(), strict=True))


def test_a_choice_is_one_line():
    assert str(Choice("extremal", "layer4", "as asked for")) == "extremal at layer4: as asked for"
    assert "default" in str(Choice())
