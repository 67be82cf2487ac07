"""The measure against a plain loop in float64, and on models whose evidence is known."""

from itertools import pairwise

import pytest
import torch
from callbacks.gradcam.faithfulness import SHIFTS, STEPS, Faithfulness, _shifted, blur, faithfulness
from torch import nn


class Looks(nn.Module):
    """Says class 1 as far as one region of the image keeps its fine checks, which a blur takes away."""

    def __init__(self, rows: slice, columns: slice):
        super().__init__()
        self.rows, self.columns = rows, columns
        self.checks = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1

    def forward(self, x):
        contrast = (x[:, 0] * self.checks)[:, self.rows, self.columns].mean((1, 2))
        return torch.stack([torch.zeros_like(contrast), 8 * contrast - 4], 1)


@pytest.fixture
def checked() -> torch.Tensor:
    """Two images of 16×16 checks."""
    return ((torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1).expand(2, 1, 16, 16).clone()


def mask(rows: slice, columns: slice) -> torch.Tensor:
    maps = torch.zeros(2, 16, 16)
    maps[:, rows, columns] = 1
    return maps


CORNER, MIDDLE = (slice(0, 6), slice(0, 6)), (slice(5, 11), slice(5, 11))


def test_equals_a_plain_loop(checked):
    """One image, pixels sorted one by one."""
    torch.manual_seed(0)
    net, cam = Looks(*CORNER), torch.rand(16, 16).double()  # no two values are equal
    image, blurred = checked[0].double(), blur(checked)[0].double()
    order = sorted(range(256), key=lambda p: -cam.flatten()[p].item())
    inserted, deleted = [], []
    for step in range(STEPS + 1):
        first = order[: step * 256 // STEPS]
        with_first, without = blurred.flatten().clone(), image.flatten().clone()
        with_first[first], without[first] = image.flatten()[first], blurred.flatten()[first]
        for curve, pixels in ((inserted, with_first), (deleted, without)):
            curve.append(net(pixels.view(1, 1, 16, 16)).softmax(1)[0, 1].item())
    faith = faithfulness(net, checked[:1], cam[None], [1])
    for area, curve in ((faith.insertion, inserted), (faith.deletion, deleted)):
        expected = sum((a + b) / 2 for a, b in pairwise(curve)) / STEPS
        assert area.item() == pytest.approx(expected, abs=1e-5)


def test_a_map_of_the_evidence_beats_its_rivals_and_a_map_beside_it_does_not(checked):
    net = Looks(*CORNER)
    true = faithfulness(net, checked, mask(*CORNER), [1, 1])
    beside = faithfulness(net, checked, mask(slice(10, 16), slice(10, 16)), [1, 1])
    assert true.informative.all()
    assert not beside.informative.any()
    assert (true.score > 0.5).all()
    assert (beside.score < 0).all()


def test_a_centred_map_of_centred_evidence_is_no_better_than_the_centre(checked):
    """What a map without looking at the model would get right tells nothing."""
    faith = faithfulness(Looks(*MIDDLE), checked, torch.zeros(2, 16, 16), [1, 1])
    assert not faith.informative.any()
    assert (faith.centre > 0.5).all()


def test_a_model_that_does_not_look_gives_its_own_probability(checked):
    net = nn.Sequential(nn.Flatten(), nn.Linear(256, 2))
    net[1].weight.data.zero_()
    faith = faithfulness(net, checked, torch.rand(2, 16, 16), [0, 1])
    expected = net[1].bias.softmax(0).detach()
    torch.testing.assert_close(faith.insertion, expected)
    torch.testing.assert_close(faith.deletion, expected)
    assert not faith.informative.any()


def test_random_rivals_hold_the_values_of_the_map():
    maps = torch.rand(3, 8, 5)
    moved = _shifted(maps, torch.Generator().manual_seed(0))
    assert not torch.equal(moved, maps)
    torch.testing.assert_close(moved.flatten(1).sort(1).values, maps.flatten(1).sort(1).values)
    assert SHIFTS >= 1


def test_is_repeatable_and_leaves_the_random_state_and_modes_alone(checked):
    net = nn.Sequential(Looks(*CORNER), nn.Dropout(0.5)).train()
    before = torch.get_rng_state()
    first = faithfulness(net, checked, torch.zeros(2, 16, 16), [1, 1])
    again = faithfulness(net, checked, torch.zeros(2, 16, 16), [1, 1])
    assert torch.equal(first.score, again.score)
    assert torch.equal(before, torch.get_rng_state())
    assert net.training
    assert net[1].training


@pytest.mark.parametrize("size", [(8, 8), (65, 48)])
def test_any_size_and_one_image(size):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    faith = faithfulness(net, torch.randn(1, 3, *size), torch.rand(1, *size), torch.tensor([1]))
    assert torch.isfinite(faith.score).all()


def test_summary_of_joined_batches(checked):
    parts = [faithfulness(Looks(*CORNER), checked, mask(*region), [1, 1]) for region in (CORNER, MIDDLE)]
    joined = Faithfulness.joined(parts)
    assert joined.summary()["maps"] == 4
    assert joined.summary()["informative"] == joined.informative.float().mean().item()
    assert joined.summary()["score"] == pytest.approx(torch.cat([p.score for p in parts]).mean().item())
    assert Faithfulness.joined([]).summary() == {"maps": 0}
