"""Metrics of predictions, against closed forms and manual counts."""

import numpy as np
import pytest

from learners.answers.prediction_metrics import (
    Share,
    accuracy_of,
    calibration_error,
    class_metrics,
    confusions,
    reliability,
    share,
    top_accuracy,
)

TARGETS = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 2, 2])
LOGITS = np.eye(4)[PREDICTED]  # a fourth class that there is no image of


def test_the_interval_of_an_accuracy_is_wilsons():
    found, z = accuracy_of(LOGITS, TARGETS), 1.959963984540054
    p, n = 4 / 6, 6
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    assert (found.value, found.count) == (p, n)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_nothing_says_nothing():
    assert share(0, 0) == Share(0.0, 0.0, 1.0, 0)


def test_precision_recall_and_f1_of_each_class_are_counted():
    rows = class_metrics(LOGITS, TARGETS, ["a", "b", "c", "d"])
    assert [(r.name, r.precision, r.recall, r.support) for r in rows] == [
        ("a", 1.0, pytest.approx(2 / 3), 3),
        ("b", 0.5, 0.5, 2),
        ("c", 0.5, 1.0, 1),
        ("d", 0.0, 0.0, 0),
    ]
    assert rows[0].f1 == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))


def test_rows_of_the_confusions_are_true_classes():
    expected = [[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert confusions(LOGITS, TARGETS).tolist() == expected


def test_top_five_is_there_from_eleven_classes():
    logits = np.arange(11.0)[None].repeat(3, 0)  # the greatest five are the classes 6 to 10
    assert top_accuracy(logits, np.array([10, 6, 5])) == pytest.approx(2 / 3)
    assert top_accuracy(logits[:, :10], np.array([9, 6, 5])) is None


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    sure = np.array([0.95, 0.95, 0.95, 0.95, 0.6, 0.6])
    probabilities, targets = np.stack([sure, 1 - sure], 1), np.array([0, 0, 0, 1, 0, 1])
    bins = reliability(probabilities, targets)
    assert (len(bins), sum(one.count for one in bins)) == (15, 6)
    assert [(one.count, one.accuracy) for one in bins if one.count] == [(2, 0.5), (4, 0.75)]
    assert calibration_error(bins) == pytest.approx((4 * abs(0.95 - 0.75) + 2 * abs(0.6 - 0.5)) / 6)


def test_a_confidence_at_an_edge_counts_once_in_the_bin_that_it_ends():
    probabilities = np.array([[1.0, 0.0], [0.6, 0.4]])
    bins = reliability(probabilities, np.array([0, 0]))
    assert bins[-1].count == 1
    assert [round(one.high, 9) for one in bins if one.count] == [0.6, 1.0]
