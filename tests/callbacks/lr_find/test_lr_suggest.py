"""The recommendation from losses of known shape is right, and losses without a fall give no recommendation."""

import fastai.callback.schedule as peer
import numpy as np
import pytest
import torch

from callbacks.lr_find.fastai_rules import minimum, named_suggestions, slide, steep, valley
from callbacks.lr_find.suggest import (
    Fall,
    NoSuggestion,
    best_peak,
    find_fall,
    length_factor,
    recommend_peak,
    smoothed,
    step_noise,
)

LRS = np.geomspace(1e-7, 1.0, 141)  # 20 points a decade
X = np.log10(LRS)
PEAKS = 0.4 / 2.5 ** np.arange(6)[::-1]
START, BATCHES = 2.3, 5


def basin(lowest: float, depth: float = 1.0, start: float = START) -> np.ndarray:
    """A symmetric fall and rise of the loss over the logarithm of the learning rate, about two decades wide."""
    return start - depth * np.exp(-((X - np.log10(lowest)) ** 4))


def noisy(losses: np.ndarray, deviation: float, seed: int) -> np.ndarray:
    return losses + deviation * np.random.default_rng(seed).normal(size=losses.shape)


def trial_losses(best: float, gain: float = 1.0) -> np.ndarray:
    """The final losses of short runs at `PEAKS`: a Gaussian dip around `best`, 0.4 decades wide."""
    return START - gain * np.exp(-0.5 * ((np.log10(PEAKS) - np.log10(best)) / 0.4) ** 2)


def ends(best: float, deviation: float = 0.0, seed: int = 0) -> np.ndarray:
    return noisy(np.repeat(trial_losses(best)[:, None], BATCHES, 1), deviation, seed)


def first(sigma: float = 0.01) -> Fall:
    """The fall of the range test before the trials."""
    return Fall(curve=basin(1e-2), lowest=100, start=START, sigma=sigma, before=12)


@pytest.mark.parametrize("lowest", [1e-3, 1e-2, 5e-2])
def test_the_lowest_point_of_a_range_test_is_found(lowest):
    assert LRS[find_fall(basin(lowest), LRS).lowest] == pytest.approx(lowest, rel=0.13)  # one point is 12%


def test_an_explosion_after_the_basin_changes_nothing():
    losses = basin(1e-3)
    exploding = np.where(LRS > 2e-2, 1e6, losses)  # where the basin is left
    assert find_fall(exploding, LRS).lowest == find_fall(losses, LRS).lowest


@pytest.mark.parametrize(
    ("losses", "why"),
    [
        (np.full_like(LRS, 2.3), "flat"),
        (2.3 + 1e-12 * np.sin(np.arange(141.0)), "flat"),
        (2.3 - 1e-12 * np.arange(141.0), "flat"),
        (np.zeros_like(LRS), "flat"),
        (2.3 + 0.01 * np.arange(141.0), "rises from the start"),
        (2.3 + 1e3 * np.arange(141.0) ** 3, "rises from the start"),
        (2.3 - 1e-3 * np.exp(-((X + 2) ** 2)), "flat"),
    ],
    ids=["flat", "waves", "trend", "zero", "rising", "exploding", "a dip of no use"],
)
def test_range_tests_that_show_nothing_give_nothing(losses, why):
    with pytest.raises(NoSuggestion, match=why):
        find_fall(losses, LRS)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_too_few_points_give_nothing(n):
    with pytest.raises(NoSuggestion, match="too few points"):
        find_fall(basin(1e-2)[:n], LRS[:n])


def test_pure_noise_gives_nothing():
    """Noise sometimes passes the range test, but not the short runs after it."""
    lrs = np.geomspace(1e-7, 1.0, 50)
    for seed in range(300):
        flat = noisy(np.full_like(lrs, START), 0.3, seed)
        with pytest.raises(NoSuggestion):
            recommend_peak(PEAKS, noisy(np.full((6, BATCHES), START), 0.3, 1000 + seed), find_fall(flat, lrs), 1.0)


@pytest.mark.parametrize("best", [PEAKS[2], (PEAKS[2] * PEAKS[3]) ** 0.5, PEAKS[3]])
def test_the_centre_of_the_best_peaks_is_found(best):
    assert best_peak(PEAKS, trial_losses(best), START) == pytest.approx(best, rel=0.05)


def test_the_centre_is_exact_where_the_losses_are_symmetric():
    losses = trial_losses((PEAKS[2] * PEAKS[3]) ** 0.5)
    assert losses == pytest.approx(losses[::-1])
    assert best_peak(PEAKS, losses, START) == pytest.approx((PEAKS[0] * PEAKS[-1]) ** 0.5, rel=1e-9)


def test_noise_moves_the_centre_less_than_it_moves_the_lowest_loss():
    between = (PEAKS[2] * PEAKS[3]) ** 0.5
    runs = [ends(between, 0.1, seed) for seed in range(50)]
    centres = [recommend_peak(PEAKS, losses, first(), 1.0)[0] for losses in runs]
    lowest = [PEAKS[losses.mean(1).argmin()] for losses in runs]
    assert np.std(np.log(centres)) < 0.2 * np.std(np.log(lowest))
    assert np.median(centres) == pytest.approx(between, rel=0.05)


@pytest.mark.parametrize("lost", [np.inf, 1e6, START])
def test_a_run_that_diverged_counts_as_one_that_learned_nothing(lost):
    losses = trial_losses(0.03)
    losses[-1] = lost
    assert best_peak(PEAKS, losses, START) == pytest.approx(best_peak(PEAKS, np.minimum(losses, START), START))


def test_a_run_that_learned_nothing_has_no_weight_though_the_untrained_net_lost_more():
    losses = np.array([2.3, 1.5, 1.0, 1.5, 2.3, 2.3])
    assert best_peak(PEAKS, losses, start=2.6) == pytest.approx(PEAKS[2])


def test_runs_that_end_alike_count_alike():
    assert best_peak(PEAKS, np.full(6, 1.0), START) == pytest.approx((PEAKS[0] * PEAKS[-1]) ** 0.5)
    assert best_peak(PEAKS[:1], np.full(1, 1.0), START) == pytest.approx(PEAKS[0])


def test_runs_that_all_diverged_give_nothing():
    with pytest.raises(NoSuggestion, match="does not fall clearly"):
        recommend_peak(PEAKS, np.full((6, BATCHES), np.inf), first(), 1.0)


def test_a_fall_within_the_noise_gives_nothing():
    with pytest.raises(NoSuggestion, match="does not fall clearly"):
        recommend_peak(PEAKS, ends(0.03), first(sigma=0.5), 1.0)


def test_a_loss_that_still_falls_at_the_highest_peak_allowed_gives_nothing():
    with pytest.raises(NoSuggestion, match=r"still falls at the highest learning rate, 0\.4; raise `end_lr`"):
        recommend_peak(PEAKS, ends(2.0), first(), 0.4)


def test_batches_that_disagree_give_nothing():
    losses = np.stack([trial_losses(PEAKS[0]), trial_losses(PEAKS[-2])], axis=1)
    with pytest.raises(NoSuggestion, match="disagree"):
        recommend_peak(PEAKS, losses, first(), 1.0)


def test_the_range_holds_what_every_batch_recommends():
    losses = np.stack([trial_losses(best) for best in (0.02, 0.03, 0.05)], axis=1)
    lr, low, high = recommend_peak(PEAKS, losses, first(), 1.0)
    assert (low, high) == (best_peak(PEAKS, losses[:, 0], START), best_peak(PEAKS, losses[:, 2], START))
    assert low < lr < high


def test_a_longer_run_has_a_higher_peak_and_a_shorter_one_no_lower():
    assert length_factor(24, 24) == length_factor(12, 24) == 1.0
    assert length_factor(2400, 24) == pytest.approx(length_factor(240, 24) ** 2)
    assert 1.2 < length_factor(240, 24) < 2.5


def test_smoothing_leaves_a_line_alone_and_has_no_lag():
    inner = slice(30, -30)  # two of its deviations from either end
    assert smoothed(3 + 2 * X, LRS)[inner] == pytest.approx((3 + 2 * X)[inner], abs=0.02)
    assert LRS[smoothed((X + 3) ** 2, LRS).argmin()] == pytest.approx(1e-3, rel=1e-9)


def test_noise_is_its_standard_deviation():
    x = noisy(np.linspace(0, 1, 20001), 0.2, seed=0)
    x[::100] += 50.0
    assert step_noise(x) == pytest.approx(0.2, rel=0.05)


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
