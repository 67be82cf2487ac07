"""The methods that remove parts of the image equal closed forms on linear models."""

import pytest
import torch
from torch import nn

from callbacks.gradcam.cells import blurred, to_cells
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods.extremal import MASK_AREAS, mask_of_area
from callbacks.gradcam.methods.gradcam import coarse_cells
from callbacks.gradcam.question import Question
from callbacks.gradcam.trust import top_cells
from tests.callbacks.gradcam.planted import planted, trained_on

MEASURED = ("extremal", "integrated", "gradcam-integrated", "occlusion", "gradcam-occlusion")


class Weighing(nn.Module):
    """A model of two classes; the margin of class 1 is a weighted sum of the pixels. Its Grad-CAM map is constant."""

    def __init__(self, weights: torch.Tensor):
        super().__init__()
        self.places = nn.Identity()
        self.register_buffer("weights", weights)

    def forward(self, x):
        x = self.places(x)
        evidence = (x * self.weights).sum((1, 2, 3))
        return torch.stack([torch.zeros_like(evidence), evidence], 1)


@pytest.fixture
def weighing() -> Weighing:
    return Weighing(torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(3)).abs() / 100)


def parts(net: Weighing, xb: torch.Tensor) -> torch.Tensor:
    """The rise of the margin by each cell compared with the blurred image, B×8×8, exact for a linear model."""
    return to_cells(((xb - blurred(xb)) * net.weights).sum(1), (8, 8)) * 16


def cells(maps: torch.Tensor) -> torch.Tensor:
    assert torch.equal(maps, maps[:, ::4, ::4].repeat_interleave(4, 1).repeat_interleave(4, 2))  # constant in a cell
    return maps[:, ::4, ::4]


def test_integrated_gradients_of_a_linear_model_are_its_parts(weighing, images):
    maps = grad_cam(weighing, images, [1] * 4, "places", "integrated")
    torch.testing.assert_close(cells(maps), parts(weighing, images).clamp(min=0), rtol=1e-4, atol=1e-4)


def test_a_product_is_the_fine_map_times_the_coarse_one(weighing, images):
    fine, product = (grad_cam(weighing, images, [1] * 4, "places", m) for m in ("integrated", "gradcam-integrated"))
    coarse = coarse_cells(Question(weighing, images, [1] * 4, "places"))
    torch.testing.assert_close(cells(product), cells(fine) * coarse)
    assert coarse.amax((1, 2)).tolist() == pytest.approx([1] * 4)


def test_occlusion_of_a_linear_model_is_the_mean_of_its_windows(weighing, images, monkeypatch):
    monkeypatch.setattr(
        "callbacks.gradcam.methods.occlusion.filled_from_neighbours", lambda xb, removed, generator: xb
    )  # the second fill then changes nothing
    maps = cells(grad_cam(weighing, images[:1], [1], "places", "occlusion"))[0]
    cell = parts(weighing, images[:1])[0]
    padded = nn.functional.pad(cell, (2, 2, 2, 2))
    lost = torch.stack([padded[r : r + 8, c : c + 8] for r in range(1, 4) for c in range(1, 4)]).sum(0)
    around = nn.functional.pad(lost, (1, 1, 1, 1), value=float("nan"))
    expected = torch.stack([around[r : r + 8, c : c + 8] for r in range(3) for c in range(3)]).nanmean(0) / 2
    torch.testing.assert_close(maps, expected.clamp(min=0), rtol=1e-3, atol=1e-4)


def test_extremal_finds_the_fifth_that_a_linear_model_loses_most_with(weighing, images):
    """If the coarse map is constant, the best mask contains the 13 cells with the largest parts."""
    net = Weighing(weighing.weights)
    even = torch.ones(4, 8, 8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("callbacks.gradcam.methods.extremal.coarse_cells", lambda question: even)
        maps = cells(grad_cam(net, images, [1] * 4, "places", "extremal"))
    best = top_cells(parts(net, images))
    assert (top_cells(maps) * best).sum((1, 2)).min() >= 11  # of 13, because the smallest of them differ little
    inside, outside = maps[best > 0].mean(), maps[best == 0].mean()
    assert inside > 20 * outside


def test_a_mask_has_its_area_whatever_it_is_made_of():
    z = torch.randn(5, 8, 8) * torch.tensor([0.0, 1, 10, 100, 1000]).view(5, 1, 1)
    for area in set(MASK_AREAS):
        masks = mask_of_area(z, area)
        torch.testing.assert_close(masks.mean((1, 2))[:4], torch.full((4,), area), rtol=1e-3, atol=1e-3)
        assert 0 <= masks.min() <= masks.max() <= 1


@pytest.mark.parametrize("method", MEASURED)
def test_batches_equal_single_images(method):
    """The test uses float64, because the nine steps of the search magnify the rounding errors of float32."""
    seen = planted(64, seed=0)
    net, xb = trained_on(seen.xb, seen.yb, steps=20).double(), seen.xb[:2].double()
    whole = grad_cam(net, xb, method=method)
    alone = torch.cat([grad_cam(net, xb[i : i + 1], method=method) for i in range(2)])
    assert whole.dtype == torch.float64
    assert whole.amax((1, 2)).min() > 0
    torch.testing.assert_close(whole, alone, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("method", MEASURED)
def test_bf16_gives_fp32_maps_and_dead_maps_are_empty(images, method):
    with torch.autocast("cpu", torch.bfloat16):
        cams = grad_cam(trained_on(None, None, steps=0), images[:1], [1], method=method)
    assert cams.dtype == torch.float32
    dead = Weighing(torch.zeros(3, 32, 32))
    assert grad_cam(dead, images[:1], [1], "places", method).abs().max() == 0
