"""The p-value equals a plain loop, and its parts equal their definitions."""

import pytest
import torch
from torch import nn

from callbacks.gradcam import trust as module
from callbacks.gradcam.cells import blurred, filled_from_neighbours, to_cells, to_pixels
from callbacks.gradcam.question import margin
from callbacks.gradcam.trust import (
    MAX_CONTROLS,
    SIGNIFICANCE_LEVEL,
    Trust,
    _controls,
    _counts,
    measure_trust,
    top_cells,
)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 28 * 28, 4)).eval()


def test_margin_is_the_log_odds():
    logits = torch.randn(5, 4, dtype=torch.float64)
    p = logits.softmax(1)[:, 2]
    torch.testing.assert_close(margin(logits, torch.full((5,), 2)), (p / (1 - p)).log())


def test_equals_a_plain_loop_over_all_controls(net, images):
    """The loop tries one control of one image at a time, in float64 and without an early end."""
    maps, targets = torch.rand(4, 32, 32, generator=torch.Generator().manual_seed(2)), [0, 1, 2, 3]
    measured = measure_trust(net, images, maps, targets, seed=7)
    draw = torch.Generator().manual_seed(7)
    tops = top_cells(to_cells(maps, (8, 8)))
    areas = [_controls(tops, i, MAX_CONTROLS, draw) for i in range(4)]
    double = net.double()
    for i, one in enumerate(measured):
        image, fill = images[i].double(), blurred(images[i : i + 1].double())[0]

        def odds(shown, i=i):
            p = double(shown[None]).softmax(1)[0, targets[i]]
            return (p / (1 - p)).log().item()

        def drop(area, image=image, fill=fill, odds=odds):
            removed = area.repeat_interleave(4, 0).repeat_interleave(4, 1).double()
            return odds(image) - odds(image * (1 - removed) + fill * removed)

        hits = [drop(area) >= drop(tops[i]) for area in areas[i]]
        assert one.drop == pytest.approx(drop(tops[i]), abs=1e-4)
        assert one.passed == ((sum(hits) + 1) / 100 <= SIGNIFICANCE_LEVEL)
        assert one.as_much == sum(hits[: one.controls])


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([0] * 99, (0, 99, 0.01)),
        ([1] * 4 + [0] * 95, (4, 99, 0.05)),
        ([1] * 5 + [0] * 94, (5, 5, 1.0)),
        ([0] * 94 + [1] * 5, (5, 99, 5 / 99)),
        ([1, 0] * 49 + [1], (5, 9, 5 / 9)),
    ],
)
def test_an_early_end_never_changes_the_verdict(hits, expected):
    r, n, p = _counts(torch.tensor(hits), enough=5)
    assert (r, n, p) == pytest.approx(expected)
    assert (p <= SIGNIFICANCE_LEVEL) == ((sum(hits) + 1) / 100 <= SIGNIFICANCE_LEVEL)


def test_controls_have_the_area_of_the_map_and_are_not_the_map():
    maps = torch.rand(30, 8, 8, generator=torch.Generator().manual_seed(0))
    tops = top_cells(maps)
    areas = _controls(tops, 3, MAX_CONTROLS, torch.Generator().manual_seed(1))
    assert areas.shape == (99, 8, 8)
    assert (areas.sum((1, 2)) == 13).all()
    assert not (areas == tops[3]).all((1, 2)).any()
    others = torch.cat([tops, tops.flip(2)])
    from_others = sum(bool((area == others).all((1, 2)).any()) for area in areas)
    assert from_others >= 40  # half of them, and the mirror image of the map itself may be among the others


def test_top_cells_are_the_fifth_with_the_highest_values():
    cells = torch.arange(64.0).view(1, 8, 8)
    assert top_cells(cells)[0].flatten().nonzero()[:, 0].tolist() == list(range(51, 64))


def test_blur_is_the_mean_of_nine_by_nine_pixels(images):
    padded = nn.functional.pad(images, (4, 4, 4, 4), mode="reflect")
    expected = torch.stack([padded[:, :, r : r + 9, c : c + 9].mean((2, 3)) for r in (0, 13) for c in (0, 31)])
    fill = blurred(images)
    measured = torch.stack([fill[:, :, r, c] for r in (0, 13) for c in (0, 31)])
    torch.testing.assert_close(measured, expected, rtol=1e-4, atol=1e-5)


def test_the_second_fill_goes_by_the_neighbours_and_keeps_the_rest():
    """On an image of two halves, a removed cell gets the value of its half."""
    image = torch.zeros(1, 1, 32, 32)
    image[..., 16:] = 1
    cells = torch.zeros(1, 8, 8)
    cells[0, 3, 0] = cells[0, 3, 7] = 1
    removed = to_pixels(cells, image)
    filled = filled_from_neighbours(torch.where(removed > 0, 9.0, image), removed, torch.Generator().manual_seed(0))
    assert torch.equal(filled[removed == 0], image[removed == 0])
    torch.testing.assert_close(filled[removed > 0], image[removed > 0], atol=0.06, rtol=0)


def test_an_image_that_is_removed_as_a_whole_is_noise():
    filled = filled_from_neighbours(
        torch.ones(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.Generator().manual_seed(0)
    )
    assert filled.abs().max() < 0.1


def test_a_model_that_does_not_look_is_not_explained(images):
    """No area changes the margin, so that every control lowers it as much as the map."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))
    net[1].weight.data.zero_()
    assert all(one.p == 1.0 for one in measure_trust(net, images, torch.rand(4, 32, 32), [0, 1, 2, 3]))


def test_is_repeatable_and_leaves_random_state_and_modes_alone(images):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    before, maps = torch.get_rng_state(), torch.rand(4, 32, 32, generator=torch.Generator().manual_seed(0))
    first, again = (measure_trust(net.train(), images, maps, [0, 1, 2, 3]) for _ in range(2))
    assert first == again
    assert torch.equal(before, torch.get_rng_state())
    assert net[1].training


@pytest.mark.parametrize("size", [(8, 8), (65, 48), (5, 7)])
def test_any_size_and_one_image(size):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    (one,) = measure_trust(net, torch.randn(1, 3, *size), torch.rand(1, *size), torch.tensor([1]))
    assert isinstance(one, Trust)
    assert 0 < one.p <= 1
    assert module.CONTROLS_PER_ROUND <= one.controls <= 99 or one.as_much == 5
