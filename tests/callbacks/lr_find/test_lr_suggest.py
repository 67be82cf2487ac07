"""What is read from a curve is where it was planted, and nothing is read from a curve that shows nothing."""

import fastai.callback.schedule as peer
import numpy as np
import pytest
import torch

from callbacks.lr_find.named import minimum, named_suggestions, slide, steep, valley
from callbacks.lr_find.suggest import NoSuggestion, agreeing, basin_rate, noise, pooled, smoothed
from callbacks.lr_find.sweep import Sweep

LRS = np.geomspace(1e-7, 1.0, 141)  # 20 points a decade
X = np.log10(LRS)


def shape(x: np.ndarray) -> np.ndarray:
    """A basin of depth 1 over decades from its lowest point; it comes back twice as fast as it falls."""
    return np.exp(-((x / np.where(x < 0, 1.0, 0.5)) ** 4))


def basin(lowest: float, depth: float = 1.0, start: float = 2.3) -> np.ndarray:
    return start - depth * shape(X - np.log10(lowest))


def middle(lowest: float) -> float:
    """The geometric middle of the rates at which `basin`, smoothed, has done half of its fall.

    The smoothing (0.35 decades) is done here by the convolution integral, on a far finer grid.
    """
    x = np.arange(-3000, 3001) / 1000
    curve = np.convolve(shape(x), np.exp(-0.5 * (x / 0.35) ** 2), mode="same")
    inside = x[curve >= 0.5 * curve.max()]
    return lowest * 10 ** ((inside[0] + inside[-1]) / 2)


def noisy(losses: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    return losses + deviation * np.random.default_rng(seed).normal(size=losses.shape)


@pytest.mark.parametrize("lowest", [1e-3, 1e-2, 5e-2])
def test_the_middle_of_a_basin_is_found(lowest):
    assert basin_rate(Sweep(LRS, basin(lowest))) == pytest.approx(middle(lowest), rel=0.02)  # one point is 12%


def test_noise_moves_it_little():
    found = [basin_rate(Sweep(LRS, noisy(basin(1e-2), 0.1, seed))) for seed in range(20)]
    assert np.percentile(found, 90) / np.percentile(found, 10) < 1.2
    assert np.median(found) == pytest.approx(middle(1e-2), rel=0.05)


def test_an_explosion_after_the_basin_changes_nothing():
    losses = basin(1e-3)
    exploding = np.where(LRS > 1e-2, 1e6, losses)  # where the basin is left
    assert basin_rate(Sweep(LRS, exploding)) == pytest.approx(basin_rate(Sweep(LRS, losses)), rel=1e-6)


def test_a_sweep_that_ended_in_nan_closes_its_basin():
    falling = 2.3 - np.clip(X + 2, 0, None)
    kept = LRS < 0.1
    assert 1e-2 < basin_rate(Sweep(LRS[kept], falling[kept], "the loss was not finite")) < 0.1


@pytest.mark.parametrize(
    ("losses", "why"),
    [
        (np.full_like(LRS, 2.3), "flat"),
        (2.3 + 1e-12 * np.sin(np.arange(141.0)), "flat"),
        (2.3 - 1e-12 * np.arange(141.0), "flat"),
        (np.zeros_like(LRS), "flat"),
        (2.3 + 0.01 * np.arange(141.0), "rises from the start"),
        (2.3 + 1e3 * np.arange(141.0) ** 3, "rises from the start"),
        (2.3 - 5 * np.clip(X + 0.3, 0, None), "still falls"),
        (2.3 - 1e-3 * np.exp(-((X + 2) ** 2)), "flat"),
    ],
    ids=["flat", "waves", "trend", "zero", "rising", "exploding", "falling at the end", "a dip of no use"],
)
def test_curves_that_show_nothing_give_nothing(losses, why):
    with pytest.raises(NoSuggestion, match=why):
        basin_rate(Sweep(LRS, losses))


def test_pure_noise_gives_nothing():
    for seed in range(200):
        with pytest.raises(NoSuggestion):
            basin_rate(Sweep(LRS, noisy(np.full_like(LRS, 2.3), 0.3, seed)))


@pytest.mark.parametrize("n", [0, 1, 7])
def test_too_few_points_give_nothing(n):
    with pytest.raises(NoSuggestion, match="too few points"):
        basin_rate(Sweep(LRS[:n], basin(1e-2)[:n]))


def test_sweeps_that_disagree_give_nothing():
    with pytest.raises(NoSuggestion, match="disagree"):
        agreeing([Sweep(LRS, basin(1e-4, 1.0)), Sweep(LRS, basin(1e-1, 0.3)), Sweep(LRS, basin(1e-4, 1.0))])


def test_a_fall_that_most_sweeps_do_not_show_gives_nothing():
    flat = Sweep(LRS, np.full_like(LRS, 2.3))
    with pytest.raises(NoSuggestion, match="only 1 of 3"):
        agreeing([Sweep(LRS, basin(1e-2)), flat, flat])


def test_the_range_holds_every_sweep():
    sweeps = [Sweep(LRS, basin(lowest)) for lowest in (8e-3, 1e-2, 1.3e-2)]
    lr, low, high = agreeing(sweeps)
    assert (low, high) == (basin_rate(sweeps[0]), basin_rate(sweeps[2]))
    assert low < lr < high


def test_pooling_is_the_mean_where_sweeps_overlap_and_ends_with_the_shortest():
    pool = pooled([Sweep(LRS, X), Sweep(LRS[60:], X[60:] + 2), Sweep(LRS[60:120], X[60:120] + 4, "diverged")])
    assert np.array_equal(pool.lrs, LRS[:120])
    assert pool.stopped == "diverged"
    assert pool.losses == pytest.approx(X[:120] + np.where(np.arange(120) < 60, 0, 2))


def test_smoothing_leaves_a_line_alone_and_has_no_lag():
    inner = slice(30, -30)  # two of its deviations from either end
    assert smoothed(3 + 2 * X, LRS)[inner] == pytest.approx((3 + 2 * X)[inner], abs=0.02)
    assert LRS[smoothed((X + 3) ** 2, LRS).argmin()] == pytest.approx(1e-3, rel=1e-9)


def test_noise_is_its_standard_deviation():
    x = noisy(np.linspace(0, 1, 20001), 0.2, seed=0)
    x[::100] += 50.0
    assert noise(x) == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("seed", range(8))
def test_named_suggestions_are_those_of_fastai(seed):
    losses = smoothed(noisy(basin(10 ** (-3 + seed / 4)), 0.1, seed), LRS)
    lrs, curve = torch.tensor(LRS), torch.tensor(losses)
    assert LRS[valley(LRS, losses)] == peer.valley(lrs, curve, 141)[0]
    assert LRS[minimum(LRS, losses)] / 10 == peer.minimum(lrs, curve, 141)[0]
    assert LRS[slide(LRS, losses)] == peer.slide(lrs, curve, 141)[0]
    assert LRS[steep(LRS, losses)] == pytest.approx(peer.steep(lrs, curve, 141)[0], rel=0.13)  # one point


def test_an_end_of_the_range_is_no_suggestion():
    falling = np.linspace(2.3, 1.0, 141)
    assert named_suggestions(LRS, falling)["minimum"] is None
    assert named_suggestions(LRS, -np.exp(np.arange(141.0) / 10))["steep"] is None
