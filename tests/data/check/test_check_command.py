"""`python app.py check DATA`: exit codes, output and files, and that the files of the user are unchanged."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from data.check.examine import examine_all
from data.check.report import check_data
from data.check.sheet import contact_sheet
from data.decoding import decode
from data.items import ImageFile
from data.sources.registry import SOURCES, Splits, source
from tests.data.check.check_pictures import picture


def state(root):
    """Returns paths, times and digests of all files and folders."""
    paths = sorted(root.rglob("*"))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()]
    return [(str(path), path.stat().st_mtime_ns, path.stat().st_ino) for path in (root, *paths)], digests


@pytest.fixture
def troubled(clean):
    (clean / "train/cat/empty.jpg").write_bytes(b"")
    for i in range(12):
        shutil.copy(clean / f"train/cat/{i % 6}.png", clean / f"train/dog/copy{i}.png")
    return clean


def test_a_clean_folder_ends_with_0(app, clean):
    done = app("check", clean)
    assert (done.code, "nothing found" in done.out, done.err) == (0, True, "")


def test_findings_end_with_1_and_touch_nothing(app, troubled, tmp_path):
    before = state(troubled)
    done = app("check", troubled, "--out", tmp_path / "out")
    assert (done.code, done.err) == (1, "")
    assert state(troubled) == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["check.json", "offenders.png"]


def test_nothing_is_written_without_out(app, troubled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = state(tmp_path)
    app("check", troubled)
    assert state(tmp_path) == before


@pytest.mark.parametrize("data", ["no/such/folder", "."])
def test_no_data_set_ends_with_2(app, tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    done = app("check", data)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert str(tmp_path / data) in done.err


def test_an_out_that_holds_something_is_not_used(app, troubled):
    done = app("check", troubled, "--out", troubled)
    assert (done.code, "not empty" in done.err) == (2, True)


def test_json_holds_everything_and_the_screen_ten_cases_of_a_kind(app, troubled):
    for i in range(15):
        (troubled / f"train/dog/no{i:02}.png").write_text("no image")
    done = app("check", troubled, "--json")
    cases = {one["kind"]: [case["names"] for case in one["cases"]] for one in done.json["findings"]}
    assert cases["no-image"] == [[f"{troubled}/train/dog/no{i:02}.png"] for i in range(15)]
    screen = app("check", troubled).out
    assert screen.count("train/dog/no") == 10
    assert "and 5 more" in screen


def test_json_tells_what_the_files_are(app, clean):
    turned = Image.Exif()
    turned[0x0112] = 6
    picture(99).resize((40, 20)).convert("L").save(clean / "train/cat/x.jpg", exif=turned)
    done = app("check", clean, "--json").json
    assert done["images"] == 19
    assert done["counts"] == {"train": {"cat": 7, "dog": 6}, "valid": {"cat": 3, "dog": 3}}
    assert done["formats"] == {"PNG": 18, "JPEG": 1}
    assert done["modes"] == {"RGB": 18, "L": 1}
    assert done["sizes"] == {"48×48": 18, "40×20": 1}
    assert done["orientations"] == {"1": 18, "6": 1}
    assert done["bytes"] == sum(path.stat().st_size for path in clean.rglob("*.*"))


def test_names_that_no_terminal_shows_are_escaped(app_process, clean):
    names = [b"caf\xe9.png", b"[red]line\nbreak.png", "\N{CAT FACE}.png".encode()]
    for name in names:
        with open(os.path.join(os.fsencode(clean), b"train", b"cat", name), "wb") as file:
            file.write(b"no image")
    done = app_process("check", clean)
    assert (done.code, done.err) == (1, "")
    for shown in ("caf\\xe9.png:", "[red]line\\nbreak.png:", "\N{CAT FACE}.png:"):
        assert f"train/cat/{shown}" in done.out
    assert len(app_process("check", clean, "--json").json["findings"][0]["cases"]) == 3


def test_a_data_set_by_name_is_checked(app):
    done = app("check", "digits", "--json")
    assert (done.code, done.json["images"], len(done.json["counts"]["train"])) == (0, 1797, 10)


def test_a_table_of_labels_is_checked(app, clean):
    rows = [f"train/cat/{i}.png,cat,train" for i in range(6)] + [f"train/dog/{i}.png,dog,train" for i in range(6)]
    (clean / "labels.csv").write_text("\n".join(["file,label,split", *rows, "train/cat/0.png,dog,valid"]))
    done = app("check", clean / "labels.csv", "--json").json
    assert {one["kind"] for one in done["findings"]} == {"same-in-classes", "same-in-splits", "not-validated"}


def test_images_that_are_no_files_are_checked(clean):
    class Memory:
        identity, version = ("a picture", 1), None

        def __init__(self, label):
            self.label = label

        def open(self):
            return picture(0)

    @source("memory")
    def memory(data):
        return Splits([Memory("cat"), Memory("dog")], None)

    try:
        report = check_data("memory")
    finally:
        del SOURCES["memory"]
    assert (report.findings[0].kind, report.findings[0].cases[0].names) == ("same-in-classes", ("a picture 1",) * 2)
    assert contact_sheet(report) is None


def test_many_processes_find_what_one_finds(clean, monkeypatch):
    items = [ImageFile(str(clean / "train/cat"), "cat", f"{i % 6}.png", 0, 0) for i in range(300)]
    items[130] = items[130]._replace(name="gone.png")
    monkeypatch.setattr(decode, "cores", lambda: 1)
    facts, looks = examine_all(items)
    monkeypatch.setattr(decode, "cores", lambda: 2)
    facts_2, looks_2 = examine_all(items)
    assert facts_2 == facts
    assert np.flatnonzero(~looks_2.seen).tolist() == [130]
    for name in ("digests", "phashes", "thumbs", "seen"):
        assert np.array_equal(getattr(looks_2, name), getattr(looks, name))


def test_the_sheet_shows_the_pictures_with_their_names(troubled):
    sheet = contact_sheet(check_data(troubled))
    texts = [text.get_text() for axes in sheet.axes for text in axes.texts]
    assert "train/cat/empty.jpg" in texts
    assert "train/dog/copy0.png" in texts
    images = [axes for axes in sheet.axes if axes.images]
    assert len(images) == 12  # six pairs of copies; the empty file is a grey square


def test_a_clean_set_has_no_sheet(app, clean, tmp_path):
    app("check", clean, "--out", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["check.json"]
    assert json.loads((tmp_path / "out/check.json").read_text())["findings"] == []
