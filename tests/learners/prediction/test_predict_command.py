"""`predict` classifies every readable file, names the others, and writes its files atomically."""

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from callbacks.gradcam.choice import Choice
from data import open_source
from learners import Predictor, image_learner
from learners.prediction.predictions import COLUMNS
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    image_learner("digits", out=out, size=16, limit=64, batch_size=16, epochs=1, device="cpu").fit_recipe()
    return out


@pytest.fixture
def folder(tmp_path):
    """A folder of three digits, two with the same name in different folders, and a file that is not an image."""
    names = ["a/1.png", "b/1.png", "b/2.png"]
    for image, name in zip(open_source("digits", limit=64).valid[::20], names, strict=False):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image.path, tmp_path / "in" / name)
    (tmp_path / "in/b/broken.png").write_text("no picture")
    return tmp_path / "in"


GOOD = ["a/1.png", "b/1.png", "b/2.png"]


def test_the_others_are_answered_and_the_exit_code_is_1(app, run, folder, caplog):
    done = app("predict", run, folder)
    assert done.code == 1
    wanted = Predictor(run)([str(folder / name) for name in GOOD])
    assert done.out.splitlines() == [str(answer) for answer in wanted]
    assert [record.getMessage() for record in caplog.records if "broken.png: not a readable" in record.getMessage()]
    (folder / "b/broken.png").unlink()
    assert app("predict", run, folder).code == 0


def test_json_is_one_object_with_all_of_it(app, run, folder):
    done = app("predict", run, folder, folder / "missing.png", "--min-confidence", 1, "--json")
    answers = done.json["answers"]
    assert (done.code, [answer["image"] for answer in answers]) == (1, [str(folder / name) for name in GOOD])
    assert {answer["label"] for answer in answers} == {"unsure"}
    assert answers[0]["guesses"][0]["probability"] == answers[0]["probability"]
    assert [text.split(":")[0] for text in done.json["unreadable"]] == [
        str(folder / "b/broken.png"),
        str(folder / "missing.png"),
    ]
    assert "No such file or directory" in done.json["unreadable"][1]


def test_without_any_answer_it_ends_with_2_and_leaves_an_old_table(app, run, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("of yesterday")
    for images in ([tmp_path / "empty"], [folder / "b/broken.png"], [f"{folder}/*.gif"]):
        done = app("predict", run, *images, "--csv", tmp_path / "table.csv")
        assert (done.code, done.out) == (2, "")
        assert "no image could be read" in done.err
    assert (tmp_path / "table.csv").read_text() == "of yesterday"
    assert sorted(os.listdir(tmp_path)) == ["empty", "in", "table.csv"]


def test_a_table_has_a_row_for_each_answer(app, run, folder, tmp_path):
    assert app("predict", run, folder, "--csv", tmp_path / "new/table.csv").code == 1
    with (tmp_path / "new/table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    for row, answer in zip(rows, Predictor(run)([str(folder / name) for name in GOOD]), strict=True):
        assert (row["image"], row["label"]) == (answer.image, answer.label)
        for n, guess in enumerate(answer.guesses, 1):
            assert (row[f"class_{n}"], float(row[f"probability_{n}"])) == guess


def test_names_that_are_no_text_keep_their_bytes(app_process, run, folder, tmp_path):
    odd = os.fsdecode(os.fsencode(folder) + b"/\xff.png")
    shutil.copy(folder / "a/1.png", odd)
    images = odd, folder / "b/broken.png"
    done = app_process("predict", run, *images, "--csv", tmp_path / "table.csv", errors="surrogateescape")
    assert done.code == 1
    assert done.out.rstrip().endswith(odd)
    (line,) = done.err.splitlines()
    assert f"{folder / 'b/broken.png'}: not a readable image" in line
    assert os.fsencode(odd) in (tmp_path / "table.csv").read_bytes()


def test_pictures_of_the_evidence_do_not_collide_and_show_the_evidence(app, run, folder, tmp_path):
    assert app("predict", run, folder, "--cam", tmp_path / "cam").code == 1
    assert sorted(os.listdir(tmp_path / "cam")) == ["000001-1.png", "000002-1.png", "000003-2.png"]
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((tmp_path / "cam").iterdir())]
    assert min(pictures[0].shape[:2]) > 300
    left, right = np.array_split(pictures[0], 2, axis=1)
    assert np.ptp(left.astype(int), axis=2).max() == 0  # a grey digit
    assert np.ptp(right.astype(int), axis=2).max() > 50  # in colour
    assert (pictures[0] != pictures[1]).any()


def test_the_method_is_the_one_that_the_run_keeps(run, folder, tmp_path, app, monkeypatch):
    used = []
    from learners.prediction import evidence

    real = evidence.grad_cam
    monkeypatch.setattr(evidence, "grad_cam", lambda *args: used.append(args[3:]) or real(*args))
    for kept, wanted in (({"method": "gradcam", "layer": "layer3"}, ("layer3", "gradcam")), (None, (None, "extremal"))):
        model = tmp_path / f"run-{len(used)}"
        shutil.copytree(run, model)
        heatmaps = kept and asdict(Choice(**kept))
        description = json.loads((model / "model.json").read_text()) | {"heatmaps": heatmaps}
        (model / "model.json").write_text(json.dumps(description))
        assert app("predict", model, folder / "a/1.png", "--cam", model / "cam").code == 0
        assert used[-1] == wanted


WRONG = {
    "a table that is a folder": (["--csv", "{folder}"], "name a file as --csv"),
    "a table below a file": (["--csv", "{folder}/a/1.png/table.csv"], "cannot be created"),
    "a confidence above 1": (["--min-confidence", "1.5"], "--min-confidence 1.5"),
    "pictures below a file": (["--cam", "{folder}/a/1.png"], "cannot be created"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_asked_ends_with_2_before_any_answer(app, run, folder, case):
    flags, told = WRONG[case]
    done = app("predict", run, folder / "a/1.png", *(flag.format(folder=folder) for flag in flags))
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert len(done.err.splitlines()) <= 2


def test_a_directory_that_is_no_run_is_named(app, folder):
    done = app("predict", folder, folder / "a/1.png")
    assert (done.code, str(folder / "model.json") in done.err) == (2, True)


def test_a_reader_that_stops_reading_ends_it_without_a_traceback(run, folder, tmp_path):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, ROOT / "app.py", "predict", run, folder / "a", "--csv", tmp_path / "table.csv"]
    done = subprocess.run([*map(str, command)], stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
