"""`explain` writes what it says it writes, for a plain learner and for one of this project."""

import json

import matplotlib.image
import pytest

from callbacks.gradcam.explain import explain
from callbacks.gradcam.layers import CamError
from learners import image_learner

GRIDS = ["misclassified.png", "misclassified_cam.png", "correct.png", "correct_cam.png", "why_wrong.png"]


def test_writes_the_grids_and_the_figures(trained, tmp_path):
    results = explain(trained, tmp_path / "a" / "b", count=3)
    assert results["files"] == GRIDS
    written = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert written == sorted([*GRIDS, "faithfulness.json"])
    assert json.loads((tmp_path / "a" / "b" / "faithfulness.json").read_text()) == results
    assert {name: part["maps"] for name, part in results["faithfulness"].items()} == {
        "misclassified": 3,
        "correct": 3,
        "true_class_of_misclassified": 3,
    }
    assert results["accuracy"] == pytest.approx(1 - results["misclassified"] / results["images"])
    assert min(results["randomisation"].values()) >= -1
    for name in GRIDS:
        height, width = matplotlib.image.imread(tmp_path / "a" / "b" / name).shape[:2]
        assert min(height, width) > 250


def test_works_on_a_learner_of_this_project(tmp_path):
    learn = image_learner("digits", limit=20, device="cpu")
    results = explain(learn, tmp_path, count=2, method="layercam")
    assert results["layer"] == "layer3"
    assert results["images"] == 20


def test_without_mistakes_there_is_no_grid_of_them(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("callbacks.gradcam.explain.GradCAMInterpretation.wrong", lambda self: [])
    results = explain(trained, tmp_path, count=2)
    assert results["files"] == ["correct.png", "correct_cam.png"]
    assert results["faithfulness"]["misclassified"] == {"maps": 0}


def test_a_wrong_layer_is_the_users_mistake_and_writes_nothing(trained, tmp_path):
    with pytest.raises(CamError) as caught:
        explain(trained, tmp_path / "out", layer="nothing")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()
