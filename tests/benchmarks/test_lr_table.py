"""The table of recommended rates: what is measured next, and what a row says."""

import pytest

from benchmarks.lr_table import jobs, summary
from benchmarks.lr_table_rows import FINDERS, PEAKS, ROWS, Job

NAME = "CIFAR-10, 16 pixels, batch 64"
RATES = (0.1, 0.3)
LOSSES = (1.9, 1.8, 1.7, 1.8, 1.9)


def measured(accuracies: tuple[float, ...]) -> dict[str, float | list[float] | None]:
    """All figures of a row but the run at the recommendation."""
    runs = zip(PEAKS, accuracies, LOSSES, strict=True)
    grid = {Job(NAME, 0, peak).key: [accuracy, loss] for peak, accuracy, loss in runs}
    return grid | {Job(NAME, seed, finder=f).key: lr for f in FINDERS for seed, lr in enumerate(RATES)}


def test_the_run_at_the_recommendation_waits_for_the_finders():
    assert all(job.peak in PEAKS or job.finder for job in jobs([NAME], {}))
    last = list(jobs([NAME], measured((0.4, 0.5, 0.6, 0.5, 0.4))))[-1]
    assert last == Job(NAME, 0, 0.2)


def test_a_row_is_shown_when_all_of_it_is_measured():
    figures = measured((0.4, 0.5, 0.6, 0.5, 0.4))
    assert summary(NAME, figures) is None
    found = summary(NAME, figures | {Job(NAME, 0, 0.2).key: [0.55, 1.75]})
    assert (found["recommended"], found["best"], found["factor"]) == (0.2, 0.125, pytest.approx(1.6))
    assert (found["accuracy_recommended"], found["accuracy_best"]) == (0.55, 0.6)
    assert (found["default"], found["accuracy_default"]) == (0.0625, 0.5)


def test_the_best_peak_is_that_of_the_lowest_loss_and_the_most_accurate_stands_beside_it():
    figures = measured((0.4, 0.5, 0.6, 0.7, 0.4)) | {Job(NAME, 0, 0.2).key: [0.55, 1.75]}
    found = summary(NAME, figures)
    assert (found["best"], found["factor"], found["accuracy_best"]) == (0.125, pytest.approx(1.6), 0.6)
    assert (found["most_accurate"], found["factor_most_accurate"]) == (0.25, pytest.approx(1.25))
    assert found["grid"][0.25] == {"accuracy": 0.7, "valid_loss": 1.8}


def test_peaks_that_chance_may_have_ordered_are_as_good_as_the_best():
    """Of 5,000 images at 60%, the standard error of a difference is 0.98 points."""
    found = summary(NAME, measured((0.4, 0.591, 0.6, 0.589, 0.4)) | {Job(NAME, 0, 0.2).key: [0.6, 1.7]})
    assert ROWS[NAME].valid_images == 5000
    assert found["as_good"] == [0.0625, 0.125]


def test_a_finder_that_abstains_is_shown_and_the_others_count():
    figures = measured((0.4, 0.5, 0.6, 0.5, 0.4)) | {Job(NAME, 0, finder=FINDERS[0]).key: None}
    found = summary(NAME, figures | {Job(NAME, 0, 0.3).key: [0.6, 1.7]})
    assert (found["recommended"], found["rates"]) == (0.3, [None, 0.3])
