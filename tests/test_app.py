"""The command line: exit codes, stdout and stderr, and error messages."""

import json

import numpy as np
import pytest
from PIL import Image

RUN_FILES = {
    "recipe.json",
    "history.csv",
    "schedule.csv",
    "metrics.json",
    "model.safetensors",
    "model.json",
    "curves.png",
    "outputs.safetensors",
    "report.html",
}


def images(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    return folder


def test_fit_prints_one_json_object_and_leaves_the_run_directory(app_process, tiny_flags, tmp_path):
    done = app_process("fit", *tiny_flags, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert {p.name for p in (tmp_path / "run").iterdir()} >= RUN_FILES
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert done.json == metrics | {"run": str(tmp_path / "run")}
    epochs = [line for line in done.err.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in epochs] == ["0", "1"]  # one line an epoch, on stderr


def test_a_run_without_out_gets_a_directory_of_its_own(app, tiny_flags, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert app("fit", *tiny_flags, "--epochs", 1).code == 0
        assert (tmp_path / f"runs/digits-{number}/metrics.json").exists()


BAD_FLAGS = {
    "an unknown flag": (["--epoch", 3], "--epochs"),
    "no epochs": (["--epochs", 0], "epochs 0"),
    "a peak after the end": (["--peak-epoch", 30, "--epochs", 24], "peak_epoch 30"),
    "a rate that is no number": (["--lr", "fast"], "lr 'fast'"),
    "a device that is not there": (["--device", "mps"], "mps"),
    "data that do not exist": (["--data", "no/such/folder"], "no/such/folder"),
}


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_wrong_flags_end_with_2_and_leave_nothing(app, tmp_path, case):
    flags, named = BAD_FLAGS[case]
    check_refusal(app("fit", *flags, "--out", tmp_path / "run"), named, tmp_path / "run")


def check_refusal(done, named, run):
    assert done.code == 2
    assert named in done.err
    assert len(done.err.strip().splitlines()) <= 2
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not run.exists()


BAD_FOLDERS = {
    "an empty one": ([], "no images"),
    "one class": (["a/1.png", "a/2.png"], "one class"),
    "a class that training lacks": (
        ["train/a/1.png", "train/b/1.png", "valid/c/1.png"],
        "the class c, which no training image has",
    ),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_folders_that_cannot_be_learnt_from_end_with_2(app, tmp_path, case):
    files, named = BAD_FOLDERS[case]
    (tmp_path / "data").mkdir()
    done = app("fit", "--data", images(tmp_path / "data", *files), "--out", tmp_path / "run")
    check_refusal(done, named, tmp_path / "run")


def test_cuda_is_refused_where_there_is_none(app, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = app("fit", "--data", "digits", "--device", "cuda", "--out", tmp_path / "run")
    check_refusal(done, "cuda", tmp_path / "run")


def test_a_directory_that_holds_something_is_not_used(app, tiny_flags, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = app("fit", *tiny_flags, "--out", tmp_path)
    assert (done.code, "not empty" in done.err) == (2, True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_loss_that_is_no_number_ends_with_1_and_names_step_and_rate(app, tiny_flags, tmp_path):
    done = app("fit", *tiny_flags, "--lr", 1e20, "--out", tmp_path / "run")
    assert done.code == 1
    assert "step" in done.err
    assert "rate" in done.err
    assert "Traceback" not in done.err
    for path in (tmp_path / "run").glob("*.csv"):
        assert "nan" not in path.read_text()


def test_lr_find_leaves_a_picture_a_table_and_json(app, tiny_flags, tmp_path):
    done = app("lr-find", *tiny_flags, "--steps", 60, "--out", tmp_path / "lr", "--json")
    assert done.code == 0, done.err
    kept = json.loads((tmp_path / "lr/lr_find.json").read_text())
    assert done.json["lr"] == kept["lr"]
    assert (done.json["lr"] is None) != (done.json["abstained"] is None)
    rows = (tmp_path / "lr/lr_find.csv").read_text().splitlines()
    assert rows[0] == "sweep,step,lr,loss"
    assert float(rows[1].split(",")[2]) == pytest.approx(1e-7, rel=1e-12)
    with Image.open(tmp_path / "lr/lr_find.png") as picture:
        assert min(picture.size) > 500


def test_what_the_finder_cannot_do_is_told_in_flags(app, tiny_flags, tmp_path):
    for flags, told in ((["--steps", 3], "--steps 3: must be"), (["--end-lr", 0], "--end-lr 0.0: must be")):
        done = app("lr-find", *tiny_flags, *flags, "--out", tmp_path / "lr")
        assert (done.code, told in done.err) == (2, True), done.err


def test_an_automatic_rate_is_measured_kept_and_used(app, tiny_flags, tmp_path, monkeypatch):
    monkeypatch.setattr("learners.learner.find_lr", answer(lr=0.0123, low=0.01, high=0.02))
    assert app("fit", *tiny_flags, "--lr", "auto", "--out", tmp_path / "run").code == 0
    assert json.loads((tmp_path / "run/lr_find.json").read_text())["lr"] == 0.0123
    assert json.loads((tmp_path / "run/recipe.json").read_text())["lr"] == 0.0123
    rates = [float(row.split(",")[2]) for row in (tmp_path / "run/schedule.csv").read_text().splitlines()[1:]]
    assert 0.01 < max(rates) <= 0.0123


def test_an_automatic_rate_that_is_not_found_ends_with_1(app, tiny_flags, tmp_path, monkeypatch):
    monkeypatch.setattr("learners.learner.find_lr", answer(abstained="the curve is flat"))
    done = app("fit", *tiny_flags, "--lr", "auto", "--out", tmp_path / "run")
    assert (done.code, "the curve is flat" in done.err, "--lr" in done.err) == (1, True, True)
    assert not (tmp_path / "run/metrics.json").exists()


def answer(**choice):
    """Return a function that replaces the finder and returns this result."""
    from callbacks.lr_find.finder import LRFound
    from callbacks.lr_find.sweep import Sweep

    curve = Sweep(np.geomspace(1e-7, 1, 30), np.linspace(2, 1, 30))
    return lambda learn, *args: LRFound((curve,), curve, **choice)
