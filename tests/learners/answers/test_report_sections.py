"""The sections of the report, for outputs with known properties."""

import base64
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from torch import nn

from learners import image_learner
from learners.answers.outputs import FILE, Outputs
from learners.answers.page import report_run
from learners.answers.run_report import open_report
from learners.answers.section import all_sections
from learners.answers.sections.attention import attention
from learners.answers.sections.label_errors import suspected


def made(name, report):
    return str(all_sections()[name].make(report))


@pytest.fixture(scope="module")
def report(small_run):
    return open_report(small_run)


def sure(count=60, classes=3):
    """Return outputs that are all correct, with probabilities from 0.90 to 0.99."""
    targets = np.arange(count) % classes
    logits = np.eye(classes)[targets] * np.linspace(3, 5.3, count)[:, None]
    return Outputs(logits.astype(np.float32), targets, [str(i) for i in range(count)], list("abc"))


def test_a_label_that_was_changed_is_suspected():
    right = sure()
    changed = right.targets.copy()
    changed[50] = (changed[50] + 1) % 3
    assert suspected(right, right.probabilities()) == []
    wrong = replace(right, targets=changed)
    assert suspected(wrong, wrong.probabilities()) == [50]


def test_an_error_that_the_model_is_not_sure_of_is_not_suspected():
    logits = sure().logits.copy()
    logits[7] = [0.0, 0.1, 0.2]
    unsure = replace(sure(), logits=logits)
    assert unsure.predicted[7] != unsure.targets[7]
    assert suspected(unsure, unsure.probabilities()) == []


def test_every_cell_of_the_grid_tells_its_count(report):
    found = report.outputs
    text = made("confusion", report)
    cells = dict(re.findall(r"<title>(\d predicted as \d): (\d+)</title>", text))
    pairs = [f"{t} predicted as {p}" for t, p in zip(found.targets, found.predicted, strict=True)]
    assert {pair: str(pairs.count(pair)) for pair in set(pairs)} == cells


def test_the_most_frequent_confusions_lead_to_all_their_images(report):
    found = report.outputs
    text = made("confusion", report)
    for anchor in re.findall(r'<a href="#(pair-\d-\d)">', text):
        _, true, predicted = anchor.split("-")
        block = text.split(f'<article id="{anchor}">')[1].split("</article>")[0]
        there = np.flatnonzero((found.targets == int(true)) & (found.predicted == int(predicted)))
        order = there[np.argsort(-found.losses[there], kind="stable")][:8]
        assert re.findall(r'alt="([^"]+)"', block) == [found.names[i] for i in order]


def test_the_worst_losses_stand_first(report):
    found = report.outputs
    wrong = np.flatnonzero(found.predicted != found.targets)
    order = wrong[np.argsort(-found.losses[wrong], kind="stable")][:8]
    shown = re.findall(r'<p class="note">([^:]+):', made("worst", report))
    assert shown == [found.names[i] for i in order]


def test_at_the_end_of_a_fit_on_a_cpu_few_heatmaps_are_drawn_and_of_a_short_one_none(report):
    short = made("worst", replace(report, quick=True))
    assert ("<article" in short, "The report of a short fit has no heatmaps" in short) == (False, True)
    long = replace(report, quick=True, metrics=report.metrics | {"train_images": 5_000})
    assert len(re.findall("<article", made("worst", long))) == 2
    assert "shows more" in made("worst", long)


def test_calibration_tells_how_many_are_answered(report):
    found = report.outputs
    best = found.probabilities(report.temperature).max(1)
    right = (found.predicted == found.targets)[best >= 0.9]
    row = re.search(r'<td>0.9</td><td class="n">([\d.]+)%</td>\s*<td class="n">([\d.]+|–)', made("calibration", report))
    assert row[1] == f"{100 * (best >= 0.9).mean():.1f}"
    assert row[2] == (f"{100 * right.mean():.2f}" if len(right) else "–")


def test_a_model_that_is_always_right_has_no_errors_to_show(report):
    found = report.outputs
    perfect = replace(report, outputs=replace(found, logits=np.eye(10, dtype=np.float32)[found.targets] * 9))
    assert "Every validation image was classified correctly" in made("worst", perfect)
    assert "No label is suspected" in made("label-errors", perfect)
    assert "href" not in made("confusion", perfect)


def test_a_net_without_maps_has_a_report_without_heatmaps(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("learners.answers.sections.worst.MIN_TRAINED_IMAGES", 0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 10))
    image_learner(**tiny, model=net, out=tmp_path / "run").fit_recipe()
    text = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "This model has no heatmaps" in text
    assert (tmp_path / "run" / FILE).exists()
    report_run(tmp_path / "run")  # which does not know the net
    text = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "cannot be shown" in text
    assert "unknown architecture" in text


def test_attention_is_shown_where_a_callback_watched_it(copied_run):
    assert attention(open_report(copied_run)) is None
    Image.new("RGB", (4, 3), (200, 10, 10)).save(copied_run / "grad_cam.png")
    shown = attention(open_report(copied_run))
    assert base64.b64decode(re.search('base64,([^"]+)', shown)[1]) == (copied_run / "grad_cam.png").read_bytes()
