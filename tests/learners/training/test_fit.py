"""`fit_recipe` trains as the recipe says, and the run directory holds the results."""

import csv
import json

import pytest
import torch
from fastai.callback.core import Callback
from safetensors.torch import load_file

from learners import ResNet18, image_learner
from learners.device import autocast


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    learn = image_learner("digits", size=8, limit=64, batch_size=16, epochs=3, peak_epoch=1, out=out)
    results = learn.fit_recipe()
    return learn, results, out


def test_metrics_are_those_of_the_contract(run):
    _, results, out = run
    assert json.loads((out / "metrics.json").read_text()) == results
    assert results.keys() >= {
        *("accuracy valid_loss epochs peak_epoch parameters train_images valid_images").split(),
        *("images_per_second seconds seed data device").split(),
    }
    assert results["parameters"] == 11_173_962
    assert (results["train_images"], results["valid_images"]) == (64, 64)


def test_the_accuracy_is_what_the_saved_weights_give(run):
    learn, results, out = run
    model = ResNet18()
    model.load_state_dict(load_file(out / "model.safetensors"))
    model.eval().to(learn.dls.device, memory_format=torch.channels_last)
    with torch.no_grad(), autocast(learn.dls.device):  # as the run: else near ties flip
        hits = [(model(x.as_subclass(torch.Tensor)).argmax(1) == y).tolist() for x, y in learn.dls.valid]
    hits = [hit for batch in hits for hit in batch]
    assert len(hits) == 64
    assert results["accuracy"] == pytest.approx(sum(hits) / 64, abs=1e-7)


def test_history_has_a_row_an_epoch_and_ends_in_the_metrics(run):
    _, results, out = run
    rows = table(out / "history.csv")
    assert list(rows[0]) == "epoch train_loss valid_loss accuracy lr momentum seconds images_per_second".split()
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[-1]["accuracy"]) == results["accuracy"]
    assert float(rows[-1]["valid_loss"]) == results["valid_loss"]
    last = table(out / "schedule.csv")[-1]
    assert (rows[-1]["lr"], rows[-1]["momentum"]) == (last["lr"], last["momentum"])


def test_the_recipe_file_says_all_that_went_in(run):
    learn, _, out = run
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe.items() >= (learn.plan.to_dict() | {"device": "cpu"}).items()
    assert recipe["classes"] == [str(digit) for digit in range(10)]
    assert recipe["versions"]["torch"] in torch.__version__
    assert len(recipe["fingerprint"]) >= 32


def test_the_model_file_is_enough_to_use_the_weights(run):
    learn, _, out = run
    model = json.loads((out / "model.json").read_text())
    assert (model["architecture"], model["size"], model["channels"]) == ("resnet18", 8, 3)
    assert model["classes"] == list(learn.dls.vocab)
    pixels = learn.dls.train.store.pixels / 255
    assert model["mean"] == pytest.approx(pixels.mean((0, 1, 2)).tolist(), abs=1e-6)
    assert model["std"] == pytest.approx(pixels.std((0, 1, 2)).tolist(), abs=1e-6)


def test_24_epochs_peak_at_epoch_5(tmp_path):
    image_learner("digits", size=8, limit=64, epochs=24, out=tmp_path / "run").fit_recipe()
    rows = table(tmp_path / "run/schedule.csv")
    peak = max(rows, key=lambda row: float(row["lr"]))
    assert float(peak["epoch"]) == 5.0
    assert len(table(tmp_path / "run/history.csv")) == 24


def history(tmp_path, name, **settings):
    image_learner("digits", size=8, limit=64, batch_size=16, epochs=2, **settings, out=tmp_path / name).fit_recipe()
    timed = ("seconds", "images_per_second")
    return [{k: v for k, v in row.items() if k not in timed} for row in table(tmp_path / name / "history.csv")]


def test_one_seed_is_one_run_whatever_the_workers_and_the_session_before(tmp_path):
    first = history(tmp_path, "a")
    torch.rand(7)
    assert history(tmp_path, "b", workers=2) == first
    assert history(tmp_path, "c", seed=1) != first


class Peek(Callback):
    """Reads a training batch after every epoch."""

    def after_epoch(self):
        self.dls.train.one_batch()


def test_a_look_at_a_batch_changes_nothing(tiny):
    plain, curious = image_learner(**tiny), image_learner(**tiny)
    curious.dls.show_batch()
    curious.add_cb(Peek())
    assert curious.fit_recipe()["valid_loss"] == plain.fit_recipe()["valid_loss"]


def test_making_a_learner_leaves_the_random_state_alone(tiny):
    before = torch.get_rng_state()
    image_learner(**tiny)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_session_without_out_writes_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image_learner(**tiny).fit_recipe()
    assert not list(tmp_path.iterdir())
