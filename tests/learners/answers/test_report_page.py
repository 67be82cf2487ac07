"""The report of a run: written by a fit and by the command, complete without the images, and escaped."""

import json
import logging
import re
import shutil

import pytest

from learners import image_learner
from learners.answers.evaluation import evaluate
from learners.answers.page import FILE, report_run
from learners.answers.run_report import open_report
from learners.answers.section import SECTIONS, all_sections

ANCHORS = ["summary", "curves", "schedule", "classes", "confusion", "calibration", "worst", "label-errors", "recipe"]


def anchors(page):
    return re.findall(r'<section id="([^"]+)">', page.read_text(encoding="utf-8"))


def test_a_fit_leaves_it_with_every_section(small_run):
    assert anchors(small_run / FILE) == ANCHORS  # the finder had no part in this run
    assert (small_run / FILE).stat().st_size < 5_000_000


def test_the_command_makes_it_again_and_prints_its_path(copied_run, app):
    (copied_run / FILE).unlink()
    done = app("report", copied_run, "--json")
    assert (done.code, done.json) == (0, {"report": str(copied_run / FILE)})
    assert anchors(copied_run / FILE) == ANCHORS


def test_it_tells_the_accuracy_of_the_metrics(small_run):
    accuracy = json.loads((small_run / "metrics.json").read_text())["accuracy"]
    assert f"<dd>{accuracy:.2%}</dd>" in (small_run / FILE).read_text(encoding="utf-8")


def test_it_asks_for_nothing_from_elsewhere(small_run):
    text = (small_run / FILE).read_text(encoding="utf-8")
    asked = re.findall(r'(?:src|href)="(?!data:|#)([^"]*)"|url\((?!#)([^)]*)\)|@import', text)
    assert asked == []


def test_the_finder_has_a_section_where_it_ran(copied_run):
    sweep = {"lrs": [1e-4, 1e-3, 1e-2], "losses": [2.3, 1.9, 5.0], "stopped": None}
    found = {"lr": 0.003, "low": 0.002, "high": None, "abstained": None, "suggestions": {}, "stopped": []}
    found |= {"trials": [{"peak": 0.003, "loss": 1.5}], "curve": sweep, "sweeps": [sweep]}
    (copied_run / "lr_find.json").write_text(json.dumps(found))
    report_run(copied_run)
    assert anchors(copied_run / FILE) == [*ANCHORS[:3], "finder", *ANCHORS[3:]]


def without_data(run):
    """Change a run so that its images seem to have changed since."""
    recipe = json.loads((run / "recipe.json").read_text())
    (run / "recipe.json").write_text(json.dumps(recipe | {"fingerprint": "another"}))
    return run


def test_without_the_images_the_sections_that_need_them_say_so(copied_run):
    with_images = (copied_run / FILE).read_text(encoding="utf-8")
    report_run(without_data(copied_run))
    text = (copied_run / FILE).read_text(encoding="utf-8")
    assert anchors(copied_run / FILE) == ANCHORS
    assert len(re.findall("cannot be shown: digits: its files are not those of the run\\.", text)) == 3
    assert ("<img" in with_images, "<img" in text) == (True, False)
    assert re.findall(r"<dd>([\d.]+%)</dd>", text) == re.findall(r"<dd>([\d.]+%)</dd>", with_images)
    assert 'href="#pair' not in text  # it would lead nowhere


def test_a_run_of_an_earlier_version_is_measured_again(copied_run, caplog):
    (copied_run / "outputs.safetensors").unlink()
    model = json.loads((copied_run / "model.json").read_text())
    del model["temperature"], model["heatmaps"]
    (copied_run / "model.json").write_text(json.dumps(model))
    report_run(copied_run)
    assert "has no outputs.safetensors" in caplog.text
    assert anchors(copied_run / FILE) == ANCHORS
    assert "model.json has no temperature" in (copied_run / FILE).read_text(encoding="utf-8")
    assert evaluate(copied_run)["temperature"] == 1.0


def test_an_earlier_run_without_images_has_what_its_files_tell(copied_run):
    (copied_run / "outputs.safetensors").unlink()
    report_run(without_data(copied_run))
    assert anchors(copied_run / FILE) == ["summary", "curves", "schedule", "recipe"]


def test_a_directory_without_a_finished_run_is_refused(tmp_path, copied_run, app):
    (copied_run / "metrics.json").unlink()
    for path in (tmp_path / "none", copied_run):
        done = app("report", path)
        assert (done.code, "cannot be read" in done.err, done.out) == (2, True, "")


def test_names_are_escaped(tmp_path):
    from PIL import Image

    for name in ("<b>bold</b>".replace("/", "∕"), "[red]"):
        for i in range(6):
            path = tmp_path / "data" / name / f"{i}<i>.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (40 * i, 20, 200)).save(path)
    image_learner(tmp_path / "data", out=tmp_path / "run", epochs=1, batch_size=4).fit_recipe()
    text = (tmp_path / "run" / FILE).read_text(encoding="utf-8")
    assert "&lt;b&gt;bold" in text
    assert "<b>bold" not in text


def test_an_error_in_a_section_costs_the_run_nothing(tiny, tmp_path, caplog):
    all_sections()
    kept = SECTIONS["curves"]
    SECTIONS["curves"] = kept._replace(make=lambda report: 1 / 0)
    try:
        metrics = image_learner(**tiny, out=tmp_path / "run").fit_recipe()
    finally:
        SECTIONS["curves"] = kept
    assert json.loads((tmp_path / "run/metrics.json").read_text()) == metrics
    assert "the run is complete" in caplog.text
    assert not (tmp_path / "run" / FILE).exists()
    report_run(tmp_path / "run")
    assert (tmp_path / "run" / FILE).exists()


def test_a_full_disk_names_the_command_that_makes_it_later(tiny, tmp_path, monkeypatch, caplog):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("learners.training.recipe_fit.report_run", full)
    with caplog.at_level(logging.WARNING):
        image_learner(**tiny, out=tmp_path / "run").fit_recipe()
    assert f"report_run('{tmp_path / 'run'}')" in caplog.text
    from app import with_flags

    assert f"python app.py report {tmp_path / 'run'}" in with_flags(caplog.text)


def test_the_report_of_a_moved_run_is_the_same(small_run, tmp_path):
    moved = shutil.copytree(small_run, tmp_path / "run")
    pages = [report_run(path).read_text(encoding="utf-8") for path in (small_run, moved)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize("name", ["history.csv", "schedule.csv"])
def test_a_table_that_is_missing_takes_its_section_with_it(copied_run, name):
    (copied_run / name).unlink()
    report = open_report(copied_run)
    gone = {"history.csv": "curves", "schedule.csv": "schedule"}[name]
    assert all_sections()[gone].make(report) is None
