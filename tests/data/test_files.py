"""A file exists completely or not at all, even if writing it fails half-way."""

import json
import math

import pytest

from data.common.files import filling, replacing, write_csv, write_json


def write_half(path):
    with replacing(path) as draft:
        draft.write_text("half of")
        1 / 0  # noqa: B018


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError):
        write_half(path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_json_holds_a_value_that_json_has_no_word_for(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"loss": value})
    assert not list(tmp_path.iterdir())


def test_csv_keeps_every_digit_and_only_the_named_columns(tmp_path):
    write_csv(tmp_path / "x.csv", ["a", "b"], [{"a": 0.1 + 0.2, "b": 1, "c": 9}])
    assert (tmp_path / "x.csv").read_text() == "a,b\n0.30000000000000004,1\n"


def fill_half(folder):
    with filling(folder) as draft:
        (draft / "one").touch()
        1 / 0  # noqa: B018


def test_a_folder_is_whole_or_absent(tmp_path):
    folder = tmp_path / "deep" / "set"
    with pytest.raises(ZeroDivisionError):
        fill_half(folder)
    assert not list(folder.parent.iterdir())
    with filling(folder) as draft:
        (draft / "one").touch()
        assert not folder.exists()
    assert [p.name for p in folder.parent.rglob("*")] == ["set", "one"]


def test_the_folder_of_the_process_that_was_first_stays(tmp_path):
    folder = tmp_path / "set"
    with filling(folder) as draft:
        (draft / "late").touch()
        folder.mkdir()
        (folder / "first").touch()
    assert [p.name for p in tmp_path.rglob("*")] == ["set", "first"]
