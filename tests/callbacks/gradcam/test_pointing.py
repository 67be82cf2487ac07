"""Grid pointing on maps of known mass; the intervals equal those of scipy and a calculation by hand."""

import pytest
import torch
from scipy.stats import binomtest, norm

from callbacks.gradcam.estimates import mean_share, share
from callbacks.gradcam.pointing import make_mosaics, pointed_mass


@pytest.fixture
def mosaics():
    """Mosaics of images that are filled with the number of their class."""
    classes = [n % 5 for n in range(20)]
    images = torch.tensor(classes).view(-1, 1, 1, 1).expand(-1, 3, 6, 8).float()
    return make_mosaics(images, classes, [0.9] * 20, count=30)


def test_four_classes_are_put_together_and_one_is_looked_for(mosaics):
    assert mosaics.xb.shape == (30, 3, 12, 16)
    corners = mosaics.xb[:, 0][:, [0, 0, 6, 6], [0, 8, 0, 8]]  # 30×4
    assert all(len(set(row)) == 4 for row in corners.tolist())
    assert torch.equal(corners.gather(1, mosaics.quarters[:, None])[:, 0].long(), mosaics.targets)
    assert set(mosaics.quarters.tolist()) == {0, 1, 2, 3}


def test_mass_in_the_right_quarter(mosaics):
    def right(xb, targets):
        return (xb[:, 0] == targets[:, None, None]).float()

    def mixed(xb, targets):
        return 3 * right(xb, targets) + 1

    assert pointed_mass(mosaics, right) == [1.0] * 30
    assert pointed_mass(mosaics, mixed) == pytest.approx([4 / 7] * 30)
    assert pointed_mass(mosaics, lambda xb, t: torch.ones(30, 12, 16)) == pytest.approx([0.25] * 30)
    assert pointed_mass(mosaics, lambda xb, t: -torch.ones(30, 12, 16)) == [0.0] * 30


def test_sure_images_come_first_and_others_only_where_classes_lack_them():
    images, classes = torch.arange(8.0).view(8, 1, 1, 1), [0, 1, 2, 3] * 2
    sure = make_mosaics(images, classes, [0.9] * 4 + [0.3] * 4, count=20)
    assert sure.xb.max() <= 3
    unsure = make_mosaics(images, classes, [0.9] * 3 + [0.3] * 5, count=20)
    assert unsure.xb.max() > 3


def test_fewer_than_four_classes_make_no_mosaic():
    none = make_mosaics(torch.zeros(3, 3, 4, 4), [0, 1, 2], [1.0] * 3, count=5)
    assert pointed_mass(none, None) == []


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (10, 10), (450, 1000)])
def test_the_interval_of_a_share_is_wilson_s(hits, count):
    measured = share([True] * hits + [False] * (count - hits))
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert (measured.value, measured.count) == (hits / count, count)
    assert (measured.low, measured.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_interval_of_a_mean_is_the_normal_one():
    values = [0.2, 0.5, 0.9, 0.4]
    half = norm.ppf(0.975) * torch.tensor(values).std().item() / 2
    measured = mean_share(values)
    assert (measured.value, measured.low, measured.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    assert (mean_share([0.5]).low, mean_share([0.5]).high) == (0.0, 1.0)


def test_nothing_is_estimated_from_nothing():
    assert share([]) is None
    assert mean_share([]) is None
