"""`explain` writes its figures and its report, for a plain fastai learner and for one of this project."""

import json
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import pytest
from rich.console import Console

from callbacks.gradcam.choice import Choice
from callbacks.gradcam.explain import explain
from callbacks.gradcam.layers import CamError
from callbacks.gradcam.report import ExplainReport

GRIDS = ["misclassified.png", "misclassified_cam.png", "correct.png", "correct_cam.png", "why_wrong.png"]


@pytest.fixture(scope="module")
def explained(trained, tmp_path_factory) -> tuple[ExplainReport, object]:
    out = tmp_path_factory.mktemp("explained") / "a" / "b"
    return explain(trained, out, count=3), out


def test_writes_the_grids_and_the_figures(explained):
    report, out = explained
    assert report.files == GRIDS
    assert sorted(path.name for path in out.iterdir()) == sorted([*GRIDS, "explain.json"])
    assert json.loads((out / "explain.json").read_text()) == json.loads(json.dumps(report.to_dict()))
    assert {name: len(maps) for name, maps in report.maps.items()} == {
        "misclassified": 3,
        "correct": 3,
        "true class": 3,
    }
    for name in GRIDS:
        height, width = matplotlib.image.imread(out / name).shape[:2]
        assert min(height, width) > 250


def test_says_of_each_map_what_it_is_of(explained, trained):
    report, _ = explained
    for one in report.maps["correct"]:
        assert one.true == one.predicted == one.target
    for wrong, true in zip(report.maps["misclassified"], report.maps["true class"], strict=True):
        assert wrong.image == true.image
        assert wrong.predicted == wrong.target != wrong.true == true.target
        assert wrong.trust
        assert true.trust is None
        assert f"digit {int(trained.dls.valid_ds[wrong.image][1])}" == wrong.true


def test_figures_of_the_model_come_with_intervals_and_a_comparison(explained):
    report, _ = explained
    assert report.accuracy == pytest.approx(1 - report.misclassified / report.images)
    assert (report.ours.method, report.usual.method) == ("extremal", "gradcam")
    for method in (report.ours, report.usual):
        for estimate in (method.passed, method.pointed):
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert report.ours.passed.count == report.usual.passed.count >= 3
    assert report.to_dict()["randomisation"]["passed"] == report.randomisation.passed


def test_the_table_has_about_ten_lines_and_fits_a_terminal(explained):
    report, _ = explained
    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=200, record=True, file=nowhere)
        console.print(report.table())
    text = console.export_text()
    assert 9 <= len(text.strip().splitlines()) <= 12
    assert "extremal" in text


def test_few_images_of_many_are_a_random_choice(trained, tmp_path):
    report = explain(trained, tmp_path, count=2, images=100)
    assert (report.images, report.available) == (100, 257)
    assert max(one.image for one in report.maps["correct"]) > 100
    assert explain(trained, tmp_path, count=2, images=100).maps == report.maps


def test_without_mistakes_there_is_no_grid_of_them(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("callbacks.gradcam.explain.GradCAMInterpretation.wrong", lambda self: [])
    report = explain(trained, tmp_path, count=2)
    assert report.files == ["correct.png", "correct_cam.png"]
    assert report.maps["misclassified"] == []
    assert "misclassified" not in dict(report._facts())


def test_a_wrong_layer_is_the_users_mistake_and_writes_nothing(trained, tmp_path):
    with pytest.raises(CamError) as caught:
        explain(trained, tmp_path / "out", replace(Choice(), layer="nothing"))
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()
