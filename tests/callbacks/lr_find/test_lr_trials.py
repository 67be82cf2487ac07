"""Short one-cycle runs: their learning rates, the same batches for every peak, and peaks around the best one."""

import numpy as np
import pytest

from callbacks.lr_find.suggest import PEAK_RATIO
from callbacks.lr_find.trials import TRIAL_COUNT, trial_rates, try_peaks
from tests.callbacks.lr_find.lr_learner import small_learner

FREE = (1e-7, 1e3)  # bounds that no trial here reaches


def trials(lowest=0.05, bounds=FREE, steps=10, **settings):
    return try_peaks(small_learner(**settings), lowest, bounds, steps)


def test_a_cycle_rises_to_its_peak_and_falls_to_nothing():
    rates = trial_rates(0.2, 2400)
    assert rates[0] == pytest.approx(0.04)
    assert rates.argmax() == 500  # 5/24 of the run
    assert rates.max() == pytest.approx(0.2)
    assert 0 < rates[-1] < 0.2 / 1000
    assert np.diff(rates[500:]) == pytest.approx(-0.2 / 1900, rel=1e-3)  # a line down to nearly 0


def test_every_trial_starts_alike_and_has_the_same_batches():
    """The loss before the first update is equal to the last bit, because weights, batch and dropout are the same."""
    found = trials(n=160)
    assert len(found) == TRIAL_COUNT
    assert len({trial.taken.losses[0] for trial in found}) == 1
    assert len({trial.taken.losses[-1] for trial in found}) == TRIAL_COUNT


def test_the_best_peak_lies_inside_the_peaks_tried():
    losses = [trial.ends.mean() for trial in trials(0.05, steps=30, n=640, bs=32)]
    assert 0 < int(np.argmin(losses)) < TRIAL_COUNT - 1


def test_peaks_rise_by_one_ratio_and_keep_within_their_bounds():
    peaks = np.array([trial.peak for trial in trials(0.05, bounds=(1e-3, 0.5))])
    assert peaks[1:] / peaks[:-1] == pytest.approx(PEAK_RATIO)
    assert (len(peaks), peaks[-1]) == (TRIAL_COUNT, 0.5)
    assert [trial.peak for trial in trials(0.45, bounds=(0.4, 0.5))] == [0.5]


def test_peaks_begin_near_the_lowest_point_where_the_range_allows_it():
    peaks = [trial.peak for trial in trials(1e-3)]
    assert peaks[0] == pytest.approx(1e-3 * PEAK_RATIO)
    assert len(peaks) == TRIAL_COUNT


def test_a_trial_that_diverges_ends_without_a_loss():
    found = trials(1e9, bounds=(1e8, 1e9))
    assert [trial.loss for trial in found] == [None] * len(found)
    assert all(np.isinf(trial.ends).all() for trial in found)
