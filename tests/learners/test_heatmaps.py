"""The heatmap method and layer of a run: stored at its end, overridden by the user, and chosen for older runs."""

import json

import pytest

from learners import image_learner
from learners.finished_learner import load_run
from learners.heatmaps import _training_images, run_heatmaps


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    image_learner("digits", size=8, limit=80, batch_size=16, epochs=2, device="cpu", out=out).fit_recipe()
    return out


@pytest.fixture
def old_run(run, tmp_path):
    """A run of an earlier version, whose `model.json` has no heatmaps."""
    for name in ("model.json", "model.safetensors", "recipe.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    description = json.loads((run / "model.json").read_text())
    del description["heatmaps"]
    (tmp_path / "model.json").write_text(json.dumps(description))
    return tmp_path


def test_a_run_keeps_what_was_chosen_on_its_training_images(run):
    kept = json.loads((run / "model.json").read_text())["heatmaps"]
    assert kept["images"] == 8  # a tenth of 80
    assert {score["method"] for score in kept["scores"]} == {"extremal", "gradcam"}
    chosen = run_heatmaps(run, load_run(run, device="cpu"), None, None)
    assert (chosen.method, chosen.layer) == (kept["method"], kept["layer"])
    assert chosen.reason == f"{kept['reason']}; stored in model.json"


@pytest.mark.parametrize(
    ("method", "layer", "expected"),
    [
        ("gradcam", "layer1", ("gradcam", "layer1")),
        (None, "layer1", ("extremal", "layer1")),
        ("fusion", None, ("fusion", None)),
    ],
)
def test_what_the_user_names_wins(run, method, layer, expected):
    chosen = run_heatmaps(run, None, method, layer)
    assert (chosen.method, chosen.layer, chosen.reason) == (*expected, "as asked for")


def test_a_method_that_the_user_names_has_the_layer_of_the_run(run):
    kept = json.loads((run / "model.json").read_text())["heatmaps"]
    chosen = run_heatmaps(run, None, "hirescam", None)
    assert (chosen.method, chosen.layer) == ("hirescam", kept["layer"])
    assert "as asked for" in chosen.reason


def test_a_run_of_an_earlier_version_chooses_now_and_stays_as_it_is(old_run):
    before = (old_run / "model.json").read_bytes()
    chosen = run_heatmaps(old_run, load_run(old_run, device="cpu"), None, None)
    assert chosen.method == "extremal"
    assert chosen.layer
    assert "chosen now" in chosen.reason
    assert (old_run / "model.json").read_bytes() == before


def test_the_choice_sees_training_images_without_augmentation(run):
    learn = load_run(run, device="cpu")
    (first, labels), (again, _) = _training_images(learn), _training_images(learn)
    assert (first == again).all()
    files = [learn.dls.source.train[i * 80 // 8] for i in range(8)]
    plain = next(iter(learn.dls.test_dl(files)))[0]
    assert (first == plain).all()
    assert [learn.dls.vocab[i] for i in labels] == [file.label for file in files]


def test_explain_prints_a_table_or_one_json_object(app, run, tmp_path):
    shown = app("explain", run, "--count", 2, "--out", tmp_path / "a", "--method", "gradcam")
    assert shown.code == 0, shown.err
    assert 9 <= len(shown.out.strip().splitlines()) <= 30
    assert "gradcam" in shown.out
    whole = app("explain", run, "--count", 2, "--out", tmp_path / "b", "--json")
    assert whole.json["choice"]["method"] == json.loads((run / "model.json").read_text())["heatmaps"]["method"]
    assert {"ours", "usual", "maps", "randomisation"} <= whole.json.keys()


def test_explain_refuses_a_layer_that_is_not_there(app, run, tmp_path):
    done = app("explain", run, "--layer", "layer9", "--out", tmp_path / "a")
    assert done.code == 2
    assert "layer9" in done.err
    assert not (tmp_path / "a").exists()
