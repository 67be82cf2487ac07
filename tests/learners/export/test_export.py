"""An exported model has the probabilities of its run, and a file with other probabilities is not kept."""

import json
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from data import open_source
from data.common.errors import TrainingError
from learners import Predictor, image_learner
from learners.export.compare import compare, synthetic_images
from learners.export.exporting import export
from learners.export.formats import FORMATS
from tests.learners.small_runs import NAMED, SmallNet, small_architecture

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module", autouse=True)
def small():
    with small_architecture():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose temperature is not 1."""
    out = tmp_path_factory.mktemp("runs") / "run"
    image_learner(**NAMED, out=out).fit_recipe()
    path = out / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"temperature": 1.7}))
    return out


@pytest.mark.parametrize("name", FORMATS)
def test_it_gives_the_probabilities_of_the_run_for_any_number_of_images(run, name, tmp_path):
    exported = export(run, name, tmp_path / "model.any")
    predictor = Predictor(run, device="cpu")
    answered = FORMATS[name].load(tmp_path / "model.any", predictor.model)
    pixels = np.stack([image.read(8) for image in open_source("digits", limit=64).valid])
    for count in (1, 2, 7, 64):
        found = answered(pixels[:count])
        assert (found.shape, found.dtype) == ((count, 10), np.float32)
        for row, answer in zip(found, predictor(pixels[:count]), strict=True):
            assert str(row.argmax()) == answer.label
            assert row.max() == pytest.approx(answer.probability, abs=1e-5)
    compared = exported.compared
    assert (compared.images, compared.same_labels) == (64, 64)
    assert (compared.difference <= 1e-5, compared.source) == (True, "validation images of the run")


def test_the_command_prints_and_keeps_the_comparison(app, run, tmp_path):
    done = app("export", run, "--format", "safetensors", "--out", tmp_path / "new/m.st", "--json")
    assert done.code == 0, done.err
    assert done.json == json.loads((tmp_path / "new/m.st.json").read_text())
    assert (done.json["images"], done.json["same_labels"], done.json["difference"]) == (64, 64, 0)
    assert done.json["facts"]["classes"] == [str(digit) for digit in range(10)]
    assert (done.json["facts"]["size"], done.json["facts"]["temperature"]) == (8, 1.7)


def test_without_a_place_it_is_a_folder_of_the_run(app, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    done = app("export", tmp_path / "run")
    assert done.code == 0, done.err
    assert sorted(p.name for p in (tmp_path / "run/export").iterdir()) == ["model.onnx", "model.onnx.json"]
    assert "same_labels  64" in done.out
    assert str(tmp_path).encode() not in (tmp_path / "run/export/model.onnx").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_no_file_names_a_place_on_this_machine(run, name, tmp_path):
    export(run, name, tmp_path / "model.any")
    assert str(sys.modules["learners"].__path__[0]).encode() not in (tmp_path / "model.any").read_bytes()


def test_where_the_images_have_gone_it_is_compared_on_made_ones_and_says_so(tmp_path):
    pictures, out = tmp_path / "pictures", tmp_path / "run"
    for label in "ab":
        (pictures / label).mkdir(parents=True)
        for n in range(6):
            Image.new("RGB", (8, 8), (40 * n, 9, 9)).save(pictures / label / f"{n}.png")
    image_learner(pictures, out=out, model="small", size=8, epochs=1, batch_size=4, device="cpu").fit_recipe()
    assert export(out, "safetensors").compared.source == "validation images of the run"
    shutil.rmtree(pictures)
    compared = export(out, "safetensors").compared
    assert compared.source.startswith("synthetic images, because those of the run cannot be read (")
    assert compared.images > 1


def test_made_images_differ_and_are_the_same_each_time():
    images = synthetic_images(9)
    assert (images.shape[1:], images.dtype) == ((9, 9, 3), np.uint8)
    assert len({image.tobytes() for image in images}) == len(images)
    np.testing.assert_array_equal(images, synthetic_images(9))


class Turned:
    """A format whose probabilities differ by a given amount."""

    suffix = ".off"

    def __init__(self, off):
        self.off = off

    def write(self, model, size, facts, path):
        path.write_text("the file")

    def load(self, path, model):
        return lambda pixels: model(torch.from_numpy(pixels)).detach().numpy() + np.float32(self.off)


@pytest.mark.parametrize("off", [2e-4, float("nan")])
def test_a_file_that_answers_otherwise_is_not_kept_and_an_old_one_stays(app, run, off, tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "off", Turned(off))
    (tmp_path / "model.off").write_text("of yesterday")
    done = app("export", run, "--format", "off", "--out", tmp_path / "model.off")
    assert (done.code, done.out) == (1, "")
    assert "the exported model differs from the run" in done.err
    assert (tmp_path / "model.off").read_text() == "of yesterday"
    assert [path.name for path in tmp_path.iterdir()] == ["model.off"]
    monkeypatch.setitem(FORMATS, "off", Turned(5e-5))
    assert app("export", run, "--format", "off", "--out", tmp_path / "model.off").code == 0


def test_the_comparison_counts_labels_and_the_greatest_difference():
    class Three(nn.Module):
        def forward(self, pixels):
            return torch.tensor([0.5, 0.3, 0.2]).expand(len(pixels), 3)

    def other(pixels):
        rows = np.tile(np.float32([0.5, 0.3, 0.2]), (len(pixels), 1))
        if len(pixels) == 1:  # the first batch
            rows[0] = 0.2, 0.6, 0.2
        return rows

    found = compare(other, Three(), synthetic_images(8), "made")
    assert (found.images, found.same_labels) == (64, 63)
    assert found.difference == pytest.approx(0.3)


@pytest.mark.parametrize("package", ["onnxruntime", "onnxscript"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(app, run, package, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    done = app("export", run, "--out", tmp_path / "m.onnx")
    assert done.code == 2
    assert package in done.err
    assert "pip install onnx onnxruntime onnxscript" in done.err
    assert not list(tmp_path.iterdir())


WRONG = {
    "an unknown format": (["--format", "tflite"], "--format 'tflite': choose from onnx, safetensors, torch-export"),
    "a folder": (["--out", "{tmp}"], "name a file as --out"),
    "below a file": (["--out", "{run}/model.json/m.onnx", "--format", "safetensors"], "cannot be written"),
    "the weights of the run": (["--out", "{run}/model.safetensors"], "a file of the run itself"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_asked_ends_with_2(app, run, case, tmp_path):
    flags, told = WRONG[case]
    before = (run / "model.safetensors").read_bytes()
    done = app("export", run, *(flag.format(tmp=tmp_path, run=run) for flag in flags))
    assert (done.code, done.out, told in done.err) == (2, "", True), done.err
    assert len(done.err.splitlines()) <= 2
    assert (run / "model.safetensors").read_bytes() == before


class Choosy(SmallNet):
    """A net whose control flow depends on the pixels, which cannot be exported as a graph."""

    def forward(self, x):
        return super().forward(x if float(x.mean()) > 0 else -x)


def test_a_net_that_is_no_graph_is_told_so(run, tmp_path):
    with pytest.raises(TrainingError, match=r"torch-export: the net cannot be exported"):
        export(run, "torch-export", tmp_path / "m.pt2", model=Choosy())
    assert not list(tmp_path.iterdir())
