"""The test with random weights equals a cascade written as a plain loop, with scipy's correlation."""

import copy

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.sanity import Randomisation, randomisation_check


@pytest.fixture
def net() -> nn.Sequential:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU())
    return nn.Sequential(body, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)))


def test_equals_a_cascade_by_hand(net, images):
    targets = net(images).argmax(1)
    intact, changed = grad_cam(net, images, targets), copy.deepcopy(net)
    expected = {}
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for name, modules in (("1", [changed[1][2]]), ("0", [changed[0][0], changed[0][2]])):
            for module in modules:
                module.reset_parameters()
            after = grad_cam(changed, images, targets)
            pairs = [
                spearmanr(a.flatten(), b.flatten()).statistic if b.any() and a.any() else 0.0
                for a, b in zip(intact, after, strict=True)
            ]
            expected[name] = sum(pairs) / len(pairs)
    alike = randomisation_check(net, images, seed=3)
    assert list(alike.alike) == ["1", "0"]
    assert alike.alike == pytest.approx(expected, abs=1e-6)
    assert alike.final == alike.alike["0"]


def test_of_many_parts_every_second_is_compared_and_the_first(images):
    """With seven parts, the last part is random before the first comparison, and all parts are at the last one."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3), *(nn.Conv2d(6, 6, 3) for _ in range(5))]
    net = nn.Sequential(*layers, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)))
    assert list(randomisation_check(net, images, layer="5").alike) == ["6", "4", "2", "0"]


@pytest.mark.parametrize(("final", "passed"), [(0.1, True), (0.5, False), (-0.6, False)])
def test_the_sentence_says_whether_it_passed(final, passed):
    check = Randomisation({"fc": 0.8, "conv1": final})
    assert check.passed == passed
    assert str(check).startswith("passed" if passed else "NOT passed")
    assert f"{final:.2f}" in str(check)


def test_leaves_model_and_random_state_alone(net, images):
    net.train()
    weights, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    randomisation_check(net, images)
    assert all(torch.equal(a, b) for a, b in zip(weights.values(), net.state_dict().values(), strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert net[1][2].training
