"""Each setting of the recipe has its effect when it is on, and none when it is off, in small runs."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from data import DataError
from learners import ResNet18, image_learner
from learners.answers.evaluation import evaluate
from learners.finished_learner import load_run
from learners.run_directory.run import RunDirectoryError
from learners.training.warmup import warm_up

OFF = {"zero_init_residual": False, "whiten": False, "norm_bias_lr_scale": 1.0, "ema": False}
TINY = {"size": 8, "batch_size": 8, "epochs": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 training and 8 validation images of two classes that differ in colour."""
    root, rng = tmp_path_factory.mktemp("pieces"), np.random.default_rng(0)
    for split, count in (("train", 12), ("valid", 4)):
        for label, channel in (("blue", 2), ("red", 0)):
            (root / "images" / split / label).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 128, (8, 8, 3), dtype=np.uint8)
                pixels[..., channel] += 100
                Image.fromarray(pixels).save(root / "images" / split / label / f"{i}.png")
    return root / "images"


def weights(model):
    return {name: t.clone() for name, t in model.state_dict().items()}


def equal(ours, theirs):
    return all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_without_its_pieces_the_model_is_that_of_the_seed(folder):
    torch.manual_seed(7)
    expected = ResNet18(2).state_dict()
    assert equal(image_learner(folder, seed=7, **TINY, **OFF).model.state_dict(), expected)


@pytest.mark.parametrize(
    ("piece", "changed"),
    [
        ("zero_init_residual", [f"layer{i}.{j}.bn2.weight" for i in (1, 2, 3, 4) for j in (0, 1)]),
        ("whiten", ["conv1.weight"]),
    ],
)
def test_an_initialiser_changes_its_own_weights_alone(folder, piece, changed):
    plain = image_learner(folder, **TINY, **OFF).model.state_dict()
    ours = image_learner(folder, **TINY, **OFF | {piece: True}).model.state_dict()
    assert [name for name in plain if not torch.equal(plain[name], ours[name])] == changed


def test_the_average_is_left_and_training_is_the_same(folder):
    settings = {**TINY, **OFF, "epochs": 12}  # 36 steps, of which the average looks back on two
    plain, averaged = (image_learner(folder, **settings | {"ema": ema}) for ema in (False, True))
    plain.fit_recipe(), averaged.fit_recipe()
    assert plain.recorder.losses == averaged.recorder.losses
    assert not equal(plain.model.state_dict(), averaged.model.state_dict())
    assert not hasattr(averaged, "weight_average")  # gone with the run: later verbs do not meet it


def test_norm_biases_have_their_rate_in_every_step(folder):
    learn = image_learner(folder, **TINY, **OFF | {"norm_bias_lr_scale": 8.0})
    learn.fit_recipe()
    rates = [group["lr"] for group in learn.opt.opt.param_groups]  # body: filters, norm biases, scales; head: both
    assert rates == pytest.approx([rates[0], 8 * rates[0], rates[0], rates[0], rates[0]], rel=1e-12)


def test_24_epochs_of_the_default_recipe_peak_at_epoch_5(folder, tmp_path):
    out = tmp_path / "run"
    results = image_learner(folder, out=out, size=8, batch_size=12, epochs=24, device="cpu").fit_recipe()
    with (out / "schedule.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert len(rows) == 24 * 2
    assert max(rows, key=lambda row: row["lr"])["epoch"] == results["peak_epoch"] == 5
    stored = json.loads((out / "metrics.json").read_text())
    assert evaluate(out)["accuracy"] == stored["accuracy"]  # what was left is what was measured
    assert evaluate(out, tta=True)["accuracy_tta"] == json.loads((out / "metrics.json").read_text())["accuracy_tta"]
    assert results["loader_wait_seconds"] < results["seconds"]


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    image_learner(folder, out=out, **TINY).fit_recipe()
    return out


def test_a_run_can_be_used_again_on_its_own_images_and_on_others(folder, run):
    learn = load_run(run)
    assert not learn.model.training
    assert evaluate(run, data=folder) == evaluate(run)  # the folder's own validation split
    assert evaluate(run, data=folder / "train")["valid_images"] == 24  # no split: all of it
    assert "accuracy_tta" not in json.loads((run / "metrics.json").read_text())


def test_images_of_other_classes_are_refused(run, folder, tmp_path):
    for name in ("red", "green"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "0.png")
    with pytest.raises(DataError, match="no class green; its classes are blue, red"):
        evaluate(run, data=tmp_path)


def test_a_run_that_is_missing_or_damaged_is_named(run, tmp_path):
    with pytest.raises(RunDirectoryError, match=r"model\.json: cannot be read"):
        load_run(tmp_path)
    (tmp_path / "model.json").write_bytes((run / "model.json").read_bytes())
    with pytest.raises(RunDirectoryError, match=r"model\.safetensors is missing"):
        load_run(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(RunDirectoryError, match=r"model\.safetensors is damaged"):
        load_run(tmp_path)


def test_warming_up_changes_neither_the_model_nor_the_random_state(folder, monkeypatch):
    compiled = []
    in_place = nn.Module.compile  # the real one, without a C++ compiler's minutes
    monkeypatch.setattr(nn.Module, "compile", lambda m: compiled.append(m) or in_place(m, backend="eager"))
    learn = image_learner(folder, **TINY, compile=True)
    before, state = weights(learn.model), torch.get_rng_state()
    assert warm_up(learn) > 0
    assert compiled == [learn.model]
    assert equal(learn.model.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in learn.model.parameters())


def test_there_is_nothing_to_warm_on_a_cpu(folder):
    assert warm_up(image_learner(folder, **TINY)) == 0
