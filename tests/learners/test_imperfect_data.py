"""Folders with classes of very different size, and with files that cannot be read."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from data import open_source
from learners import image_learner, resume_learner
from learners.answers.evaluation import evaluate
from learners.finished_learner import load_run
from learners.training.balance import class_weights
from learners.training.loss import ClassLoss

SHORT = {"size": 8, "batch_size": 8, "epochs": 2, "device": "cpu"}
FLAGS = [part for name, value in SHORT.items() for part in (f"--{name.replace('_', '-')}", value)]


@pytest.fixture
def uneven(tmp_path):
    """A folder with 44 training images of `many`, 4 of `few`, and 4 validation images of each."""
    rng = np.random.default_rng(0)
    for folder, count in {"train/many": 44, "train/few": 4, "valid/many": 4, "valid/few": 4}.items():
        (tmp_path / "images" / folder).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / folder / f"{i:02d}.png")
    return tmp_path / "images"


def test_weights_are_in_inverse_proportion_to_the_images_of_a_class(uneven):
    source = open_source(uneven)
    assert source.classes == ["few", "many"]
    torch.testing.assert_close(class_weights(source), torch.tensor([48 / 2 / 4, 48 / 2 / 44]))
    assert class_weights(source.without_images()) is None


def test_only_where_gradients_are_recorded_is_the_loss_weighted():
    torch.manual_seed(0)
    logits, targets, weight = torch.randn(9, 3), torch.randint(0, 3, (9,)), torch.tensor([4.0, 1.0, 0.2])
    loss, plain = ClassLoss(0.2, weight), ClassLoss(0.2)
    wanted = F.cross_entropy(logits, targets, weight, label_smoothing=0.2)
    unweighted = F.cross_entropy(logits, targets, label_smoothing=0.2)
    for ours in (loss, pickle.loads(pickle.dumps(loss))):
        torch.testing.assert_close(ours(logits.clone().requires_grad_(), targets).detach(), wanted)
        torch.testing.assert_close(ours(logits, targets), unweighted)
    torch.testing.assert_close(plain(logits.clone().requires_grad_(), targets).detach(), unweighted)


def test_a_balanced_run_trains_with_the_weights_and_validates_without(uneven, caplog, tmp_path):
    learn = image_learner(uneven, balance=True, out=tmp_path / "run", **SHORT)
    assert (
        "the training loss is weighted by class (44 training images of many and 4 of few); the validation"
        in caplog.text
    )
    x, y = learn.dls.train.one_batch()
    x, y = x.as_subclass(torch.Tensor), y.as_subclass(torch.Tensor)
    logits = learn.model.eval()(x)
    weighted = F.cross_entropy(logits, y, class_weights(learn.dls.source), label_smoothing=learn.plan.label_smoothing)
    torch.testing.assert_close(learn.loss_func(logits, y), weighted)
    metrics = learn.fit_recipe()
    assert evaluate(tmp_path / "run")["valid_loss"] == pytest.approx(metrics["valid_loss"], rel=1e-5)  # plain torch's
    assert json.loads((tmp_path / "run/recipe.json").read_text())["balance"] is True
    assert load_run(tmp_path / "run", uneven).validate()[1] == pytest.approx(metrics["accuracy"])


def test_strong_imbalance_is_said_in_one_line_and_moderate_is_not(uneven, caplog):
    image_learner(uneven, **SHORT)
    said = [r.getMessage() for r in caplog.records if "differ much" in r.getMessage()]
    words = "44 training images of many and 4 of few; `balance` weights the training loss by class"
    assert said == [f"the classes differ much in size: {words}"]
    caplog.clear()
    for i in range(4, 24):
        (uneven / f"train/many/{i:02d}.png").unlink()
    image_learner(uneven, **SHORT)
    assert "differ much" not in caplog.text


def test_the_command_line_leaves_bad_files_out_and_lists_them(app, uneven, tmp_path):
    bad = uneven / "train/many/07.png"
    bad.write_bytes(bad.read_bytes()[:60])
    done = app("fit", "--data", uneven, *FLAGS, "--out", tmp_path / "stopped")
    assert done.code == 2
    assert f"error: {bad}: not a readable image" in done.err
    assert "--skip-bad" in done.err
    assert not (tmp_path / "stopped").exists()
    done = app("fit", "--data", uneven, *FLAGS, "--out", tmp_path / "run", "--skip-bad", "--balance", "--json")
    assert (done.code, done.json["train_images"]) == (0, 47)
    (skipped,) = json.loads((tmp_path / "run/recipe.json").read_text())["skipped"]
    assert skipped.startswith(f"{bad}: not a readable image")
    again = app("evaluate", tmp_path / "run", "--json")
    assert again.json["accuracy"] == done.json["accuracy"]


@pytest.mark.parametrize("colour", ["black", (10, 77, 200)])
def test_a_set_without_any_contrast_in_a_colour_trains(tmp_path, colour):
    rng = np.random.default_rng(0)
    for i in range(24):
        pixels = np.full((8, 8, 3), Image.new("RGB", (1, 1), colour).getpixel((0, 0)), np.uint8)
        pixels[..., 0] = rng.integers(0, 256, (8, 8))
        (tmp_path / "images" / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / "ab"[i % 2] / f"{i}.png")
    metrics = image_learner(tmp_path / "images", **SHORT).fit_recipe()
    assert np.isfinite(metrics["valid_loss"])


def test_a_run_keeps_the_order_of_classes_that_it_was_trained_with(tmp_path, monkeypatch):
    for label, level in {"class1": 20, "class2": 120, "class10": 220}.items():
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(10):
            Image.new("RGB", (8, 8), (level + i, i, 5 * i)).save(tmp_path / "images" / label / f"{i}.png")
    monkeypatch.setattr("data.opening.natural", str)  # as runs did before the order was natural
    learn = image_learner(tmp_path / "images", out=tmp_path / "run", **SHORT)
    metrics = learn.fit_recipe()
    assert list(learn.dls.vocab) == ["class1", "class10", "class2"]
    monkeypatch.undo()
    assert open_source(tmp_path / "images").classes == ["class1", "class2", "class10"]
    assert evaluate(tmp_path / "run")["valid_loss"] == pytest.approx(metrics["valid_loss"], rel=1e-5)
    (tmp_path / "run/metrics.json").unlink()
    assert list(resume_learner(tmp_path / "run").dls.vocab) == ["class1", "class10", "class2"]
