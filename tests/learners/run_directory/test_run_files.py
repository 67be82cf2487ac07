"""The checks of a run's files, and the messages about invalid content."""

import json

import pytest
import torch

from callbacks.checkpoint.checkpoint_file import CheckpointError, read_state, write_state
from learners import image_learner, resume_learner
from learners.answers.evaluation import evaluate
from learners.models import MODELS
from learners.recipe import Recipe, RecipeError
from learners.run_directory.model_files import load_model, write_model
from learners.run_directory.run import Run, RunDirectoryError
from tests.learners.small_runs import NAMED, Interrupted, small_architecture

CLASSES = ["cat", "dog"]
DESCRIPTION = {"fingerprint": "f", "classes": CLASSES, "train_images": 8, "valid_images": 2, "versions": {"torch": "2"}}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps(Recipe(epochs=3).to_dict() | DESCRIPTION))
    return tmp_path


def change(path, **entries):
    """Change entries of a JSON file; the value `...` removes an entry."""
    content = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not ...}))


def test_a_recipe_is_read_as_it_was_written(run):
    assert Run.open(run).recipe == Recipe(epochs=3)
    change(run / "recipe.json", sam=..., decay=..., something_newer=7)
    assert Run.open(run).recipe == Recipe(epochs=3, decay="cosine")  # as runs were before that setting


def test_a_recipe_with_former_names_is_read_under_the_current_ones(run):
    change(run / "recipe.json", norm_bias_lr_scale=..., zero_init_residual=..., bias_lr=4.0, zero_init=True)
    opened = Run.open(run)
    assert opened.recipe == Recipe(epochs=3, norm_bias_lr_scale=4.0, zero_init_residual=True)
    assert {"norm_bias_lr_scale": 4.0, "zero_init_residual": True}.items() <= opened.description.items()
    assert not {"bias_lr", "zero_init"} & opened.description.keys()


def test_a_former_name_of_a_setting_is_answered_with_the_current_one():
    with pytest.raises(RecipeError, match="unknown setting 'bias_lr'; did you mean norm_bias_lr_scale"):
        Recipe.of(bias_lr=4.0)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"epochs": "3"}, "epochs: Input should be a valid integer"),
        ({"epochs": 0}, "epochs 0: must be at least 1"),
        ({"lr": float("nan")}, "lr nan: must be a positive number or auto"),
        ({"device": "abacus"}, "device: Input should be 'auto', 'cpu', 'cuda' or 'mps'"),
        ({"fingerprint": ...}, "fingerprint: Field required"),
        ({"classes": ["cat", 7]}, "classes.1: Input should be a valid string"),
        ({"session": {"callbacks": "holds"}}, "session.callbacks: Input should be a valid list"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_named(app, run, entries, words):
    change(run / "recipe.json", **entries)
    done = app("fit", "--resume", run)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {run / 'recipe.json'}: has invalid content ({words}"), done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "7", "{", "null", "\ufeff{}"])
def test_what_is_no_dictionary_in_JSON_is_refused(run, text):
    (run / "recipe.json").write_text(text)
    with pytest.raises(RunDirectoryError, match=r"recipe\.json: has invalid content \(.+\); restore"):
        Run.open(run)
    (run / "recipe.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(RunDirectoryError, match=r"recipe\.json: has invalid content"):
        Run.open(run)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"classes": []}, "classes: List should have at least 1 item"),
        ({"classes": "cat"}, "classes: Input should be a valid list"),
        ({"mean": [0.5, 0.5]}, "mean: List should have at least 3 items"),
        ({"std": [0.5, 0.5, 0]}, "std.2: Input should be greater than 0"),
        ({"mean": [0, 0, float("nan")]}, "mean.2: Input should be a finite number"),
        ({"channels": 10**9}, "channels: Input should be 3"),
        ({"architecture": ...}, "architecture: Field required"),
        ({"temperature": -1}, "temperature: Input should be greater than 0"),
        ({"heatmaps": {"method": "gradcam"}}, "heatmaps.layer: Field required"),
    ],
)
def test_what_is_wrong_with_a_model_is_named(tmp_path, monkeypatch, entries, words):
    monkeypatch.setitem(MODELS, "tiny", lambda classes, channels: torch.nn.Linear(channels, classes))
    image_stats = type("Stats", (), {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)})
    write_model(tmp_path, torch.nn.Linear(3, 2), "tiny", CLASSES, 8, image_stats)
    assert load_model(tmp_path).classes == CLASSES
    change(tmp_path / "model.json", **entries)
    with pytest.raises(RunDirectoryError) as caught:
        load_model(tmp_path)
    assert f"{tmp_path / 'model.json'}: has invalid content ({words}" in str(caught.value)


@pytest.fixture(scope="module", autouse=True)
def small():
    with small_architecture():
        yield


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run of the digits that was interrupted in its third step."""
    out = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(KeyboardInterrupt):
        image_learner(**NAMED, out=out, cbs=[Interrupted(2)]).fit_recipe(checkpoint_minutes=0)
    return out


def test_classes_that_the_images_lack_are_refused(begun):
    before = (begun / "recipe.json").read_text()
    change(begun / "recipe.json", classes=["cat", *map(str, range(1, 10))])
    with pytest.raises(RunDirectoryError, match=r"recipe\.json: its classes \(10\) are not those of digits \(10\)"):
        resume_learner(begun, cbs=[Interrupted(2)])
    (begun / "recipe.json").write_text(before)


def test_classes_of_a_model_that_the_images_lack_are_refused(tmp_path):
    image_learner(**NAMED | {"epochs": 1}, out=tmp_path / "run").fit_recipe()
    change(tmp_path / "run/model.json", classes=["cat", *map(str, range(1, 10))])
    with pytest.raises(RunDirectoryError, match=r"model\.json: its classes"):
        evaluate(tmp_path / "run")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"epoch": 3}, "written in epoch 3 after step 2, but the run has 3 epochs of 4 steps"),
        ({"step": 5}, "written in epoch 0 after step 5, but the run has 3 epochs of 4 steps"),
        ({"step": -1}, "has invalid content (step: Input should be greater than or equal to 0)"),
        ({"opt": None}, "has invalid content (opt: Input should be a valid dictionary)"),
        ({"format": 3}, "written by another version of this program"),
        ({"model": {}}, "the weights do not fit this learner"),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_from_is_refused(begun, entries, words):
    path = begun / "checkpoint.pt"
    before = path.read_bytes()
    write_state(path, read_state(path) | entries)
    with pytest.raises(CheckpointError) as caught:
        resume_learner(begun, cbs=[Interrupted(2)]).fit_recipe()
    path.write_bytes(before)
    assert str(caught.value).startswith(f"{path}: {words}")
