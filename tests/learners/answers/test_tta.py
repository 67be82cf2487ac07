"""Six views: each equals the shifted image of numpy, and their weights are those of the source."""

import numpy as np
import pytest
import torch
from torch import nn

from learners.answers.tta import SixViews, shifted

WEIGHTS = {(0, 0): 0.5, (-1, -1): 0.25, (1, 1): 0.25}


def moved(image, down, right):
    """Return an image H×W shifted with a reflected border, computed with numpy."""
    padded = np.pad(image, 1, mode="reflect")
    return padded[1 - down : 1 - down + image.shape[0], 1 - right : 1 - right + image.shape[1]]


@pytest.mark.parametrize("shift", WEIGHTS)
def test_a_shift_moves_every_pixel_and_reflects_the_border(shift):
    x = torch.randn(2, 3, 5, 7)
    for image, result in zip(x.flatten(0, 1), shifted(x, *shift).flatten(0, 1), strict=True):
        assert np.array_equal(moved(image.numpy(), *shift), result.numpy())


@pytest.mark.parametrize("mirror", [True, False])
def test_the_logits_are_the_weighted_mean_over_the_views(mirror):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5)).double()
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    expected = torch.zeros(3, 5, dtype=torch.float64)
    for shift, weight in WEIGHTS.items():
        view = torch.tensor(np.stack([[moved(c, *shift) for c in image] for image in x.numpy()]))
        sides = [view, torch.tensor(view.numpy()[..., ::-1].copy())] if mirror else [view]
        expected += weight * sum(model(side) for side in sides) / len(sides)
    assert torch.allclose(SixViews(model, mirror)(x), expected, rtol=1e-12)


def test_a_model_that_no_view_changes_gives_its_own_logits():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.full((2, 3, 8, 8), 0.7)
    assert torch.allclose(SixViews(model)(x), model(x))
