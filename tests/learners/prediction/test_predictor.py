"""A `Predictor` classifies images of any kind, with only the two files of a model."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from data import DataError, open_source
from data.common.errors import InputError
from learners import Predictor, image_learner
from learners.models.resnet18 import ResNet18
from learners.prediction.predictor import UNSURE, Answer
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    image_learner("digits", out=out, size=8, limit=60, batch_size=16, epochs=2, device="cpu").fit_recipe()
    return out


@pytest.fixture(scope="module")
def paths(run):
    return [str(image.path) for image in open_source("digits", limit=60).valid[:20]]


def copied(run, to, **changes):
    """Copy the two files of a model, and change entries of `model.json`."""
    to.mkdir()
    shutil.copy(run / "model.safetensors", to)
    (to / "model.json").write_text(json.dumps(json.loads((run / "model.json").read_text()) | changes))
    return to


def test_probabilities_are_those_of_an_independent_pass_in_double_precision(run, paths, tmp_path):
    answers = Predictor(copied(run, tmp_path / "model", temperature=1.7))(paths)
    facts = json.loads((run / "model.json").read_text())
    net = ResNet18()
    net.load_state_dict(load_file(run / "model.safetensors"))
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB").resize((8, 8), Image.BILINEAR)) for path in paths])
    x = (pixels / 255 - np.array(facts["mean"])) / np.array(facts["std"])
    with torch.no_grad():  # the net gives its logits as float32
        logits = net.eval().double()(torch.from_numpy(x).permute(0, 3, 1, 2))
    wanted = (logits.double() / 1.7).softmax(1).numpy()
    for answer, row in zip(answers, wanted, strict=True):
        best = np.argsort(-row)[:3]
        assert [int(guess.label) for guess in answer.guesses] == best.tolist()
        np.testing.assert_allclose([guess.probability for guess in answer.guesses], row[best], atol=1e-5)
        assert (answer.label, answer.probability) == answer.guesses[0]


def test_a_run_without_a_temperature_has_1(run, paths, tmp_path):
    description = json.loads((run / "model.json").read_text())
    description.pop("temperature", None)
    old = copied(run, tmp_path / "old")
    (old / "model.json").write_text(json.dumps(description))
    assert Predictor(old)(paths) == Predictor(copied(run, tmp_path / "one", temperature=1.0))(paths)


def test_every_kind_of_image_has_the_answer_of_its_file(run, paths):
    predictor, path = Predictor(run), paths[0]
    (wanted,) = predictor(path)
    picture = Image.open(path).convert("RGB")
    array, data = np.asarray(picture), Path(path).read_bytes()
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    kinds = Path(path), data, bytearray(data), memoryview(data), io.BytesIO(data), picture, array, tensor
    for image in kinds:
        (answer,) = predictor(image)
        assert answer.guesses == wanted.guesses, type(image)
    assert wanted.image == path


def test_several_images_are_a_list_a_generator_or_an_array_of_them(run, paths):
    predictor = Predictor(run)
    wanted = predictor(paths)
    arrays = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    assert predictor(path for path in paths) == wanted
    assert [answer.image for answer in wanted] == paths
    for several in (arrays, torch.from_numpy(arrays).permute(0, 3, 1, 2)):
        assert [answer.guesses for answer in predictor(several)] == [answer.guesses for answer in wanted]
    assert predictor([]) == []


def test_answers_come_while_images_are_still_read(run, paths, monkeypatch):
    monkeypatch.setattr("learners.prediction.predictor.BATCH_PIXELS", {"cpu": 4 * 8 * 8})
    asked = []
    images = (asked.append(path) or path for path in paths)
    stream = Predictor(run, device="cpu").stream(images)
    assert next(stream).image == paths[0]
    assert len(asked) == 4
    assert len(list(stream)) == len(paths) - 1


def test_below_the_confidence_an_answer_is_unsure_and_keeps_its_guesses(run, paths):
    sure = Predictor(run)(paths)
    middle = float(np.median([answer.probability for answer in sure]))
    for before, answer in zip(sure, Predictor(run, min_confidence=middle)(paths), strict=True):
        assert answer.label == (before.guesses[0].label if before.probability >= middle else UNSURE)
        assert answer.guesses == before.guesses
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="min_confidence"):
            Predictor(run, min_confidence=wrong)


class Alike(nn.Module):
    """A net with equal logits for all classes."""

    def forward(self, x):
        return x.new_zeros(len(x), 300)


def test_of_equal_classes_the_first_is_the_answer_as_in_argmax(run, paths, tmp_path):
    model = copied(run, tmp_path / "model", classes=[str(n) for n in range(300)])
    save_file({}, model / "model.safetensors")
    (answer,) = Predictor(model, model=Alike())(paths[0])
    assert [guess.label for guess in answer.guesses] == ["0", "1", "2"]


def test_an_image_that_cannot_be_read_is_named(run, paths, tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    images = [paths[0], tmp_path / "broken.png", paths[1]]
    predictor, told = Predictor(run), []
    with pytest.raises(DataError, match=r"broken\.png: not a readable image"):
        predictor(images)
    answers = list(predictor.stream(images, unreadable=told.append))
    assert [answer.image for answer in answers] == paths[:2]
    assert [str(error).split(":")[0] for error in told] == [str(tmp_path / "broken.png")]


def test_a_line_has_the_label_first_and_the_image_last():
    guesses = (("cat", 0.75), ("dog", 0.2), ("emu", 0.05))
    assert str(Answer("a b.png", "cat", 0.75, guesses)).split() == "cat 75.0% dog 20.0%, emu 5.0% a b.png".split()
    unsure = str(Answer("x", UNSURE, 0.75, guesses)).split()
    assert unsure == "unsure 75.0% cat 75.0%, dog 20.0%, emu 5.0% x".split()


def test_it_needs_neither_the_data_nor_fastai(run, paths, tmp_path):
    picture = shutil.copy(paths[0], tmp_path / "picture.png")
    code = (
        "import sys; from learners import Predictor\n"
        f"print(Predictor({str(copied(run, tmp_path / 'alone'))!r})({str(picture)!r})[0].label)\n"
        "print({'fastai', 'albumentations', 'torchvision', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    home = {"FASTAI_HOME": str(tmp_path / "home"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=home)
    assert done.stdout.splitlines() == [Predictor(run)(paths[0])[0].label, "set()"], done.stderr
    assert not (tmp_path / "home").exists()
