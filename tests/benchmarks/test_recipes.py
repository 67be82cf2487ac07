"""The queue of recipes: paired seeds on one split, kept after each run and continued by the next call."""

import json
import math

import pytest

from benchmarks import recipes, report
from benchmarks.recipes import ARMS, Arm, Scale, early_fall, recipe_of, run_queue, summary
from data import open_source
from learners import Recipe

TINY = Scale({"data": "digits", "size": 8, "limit": 48, "epochs": 2, "batch_size": 16, "device": "cpu"}, width=16)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(recipes, "RESULTS", tmp_path)
    monkeypatch.setitem(recipes.SCALES, "tiny", TINY)
    return tmp_path / "recipes_tiny.json"


@pytest.fixture(scope="module")
def default():
    return Recipe().resolve(images=40_000, size=32, mirror="alternate", crop=0.125)


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_is_a_recipe_that_differs_from_the_default(default, name):
    recipe = recipe_of(ARMS[name], default, seed=3)
    assert recipe.seed == 3
    assert (recipe_of(Arm(), default, seed=3) == recipe) == (name == "default")


def test_an_arm_changes_what_it_says_and_the_rate_follows_the_batch(default):
    assert (default.batch_size, default.lr) == (256, 0.25)
    double = recipe_of(ARMS["batch x 2"], default, 0)
    assert (double.batch_size, double.lr) == (512, 0.5)
    assert recipe_of(ARMS["peak x 0.6"], default, 0).lr == pytest.approx(0.15)
    short = Recipe(epochs=12).resolve(images=40_000, size=32, mirror="alternate", crop=0.125)
    assert recipe_of(ARMS["frozen stem"], short, 0).freeze_stem == 1.5  # 3 of 24


def test_a_second_call_continues_and_no_run_is_repeated(results, capsys):
    run_queue("tiny", ["default"], seeds=1, budget=math.inf)
    assert len(run_queue("tiny", ["default", "kaiming"], seeds=1, budget=0)) == 1  # no time for another
    first = json.loads(results.read_text())
    assert [(run["arm"], run["seed"]) for run in first["runs"]] == [("default", 0)]
    run_queue("tiny", ["default", "kaiming"], seeds=2, budget=math.inf)
    second = json.loads(results.read_text())
    assert [(run["arm"], run["seed"]) for run in second["runs"]] == [
        ("default", 0),
        ("kaiming", 0),
        ("default", 1),
        ("kaiming", 1),
    ]
    assert second["runs"][0] == first["runs"][0]
    assert second["summary"]["kaiming"]["error"] is not None
    recipes.show(second["runs"])
    assert "kaiming" in capsys.readouterr().out


def test_seeds_share_the_held_out_images_and_a_run_is_that_of_its_seed(results, monkeypatch):
    opened = []
    monkeypatch.setattr(recipes, "open_source", lambda *args: opened.append(args) or open_source(*args))
    runs = run_queue("tiny", ["default"], seeds=2, budget=math.inf)
    assert len(opened) == 1
    results.unlink()
    assert [run["accuracy"] for run in run_queue("tiny", ["default"], seeds=2, budget=math.inf)] == [
        run["accuracy"] for run in runs
    ]


def test_runs_of_another_default_are_not_mixed_in(results):
    run_queue("tiny", ["default"], seeds=1, budget=math.inf)
    stored = json.loads(results.read_text())
    stored["default"]["momentum"] = 0.8
    results.write_text(json.dumps(stored))
    with pytest.raises(SystemExit, match="another default recipe"):
        run_queue("tiny", ["default"], seeds=1, budget=math.inf)


def run(arm, seed, accuracy):
    return {"arm": arm, "seed": seed, "accuracy": accuracy, "accuracy_by_epoch": [accuracy]}


def test_the_difference_is_paired_and_its_error_is_that_of_the_mean():
    runs = [run("default", s, a) for s, a in enumerate((0.90, 0.92, 0.94))]
    runs += [run("other", s, a) for s, a in enumerate((0.91, 0.92, 0.97))] + [run("other", 9, 0.1)]
    row = summary(runs)["other"]
    assert row["runs"] == 4
    assert row["difference"] == pytest.approx(0.04 / 3)
    deviation = math.sqrt(sum((g - 0.04 / 3) ** 2 for g in (0.01, 0.0, 0.03)) / 2)
    assert row["error"] == pytest.approx(deviation / math.sqrt(3))
    assert summary(runs[:1])["default"]["deviation"] is None


def test_only_a_fall_in_the_first_six_epochs_counts():
    assert early_fall([0.46, 0.61, 0.68, 0.72, 0.53, 0.69, 0.1]) == pytest.approx(0.19)
    assert early_fall([0.1, 0.2, 0.3]) == 0
