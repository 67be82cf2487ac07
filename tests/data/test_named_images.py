"""Images named on the command line are found: files, folders, patterns and a list on standard input."""

import os
import subprocess
import sys

import pytest
from PIL import Image

from data.named_images import named_images
from tests.conftest import ROOT

FILES = ["b.png", "a/2.jpg", "a/1.png", "a/deep/3.png", "a/notes.txt", "a/.hidden.png"]


@pytest.fixture
def there(tmp_path, monkeypatch):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("txt"):
            (tmp_path / name).touch()
        else:
            Image.new("RGB", (2, 2)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = {
    "files in the order given": (["b.png", "a/1.png"], ["b.png", "a/1.png"]),
    "a file of any name": (["a/notes.txt"], ["a/notes.txt"]),
    "a folder at any depth": (["a"], ["a/1.png", "a/2.jpg", "a/deep/3.png"]),
    "a pattern, sorted": (["a/*.*g"], ["a/1.png", "a/2.jpg"]),
    "a pattern of any depth": (["**/*.png"], ["a/1.png", "a/deep/3.png", "b.png"]),
    "files only, of a pattern": (["a/*"], ["a/1.png", "a/2.jpg", "a/notes.txt"]),
    "what is not there": (["no.png", "no/*.png", "b.png"], ["no.png", "no/*.png", "b.png"]),
}


@pytest.mark.parametrize("case", CASES)
def test_names_lead_to(there, case):
    names, wanted = CASES[case]
    assert list(named_images(names)) == wanted


def test_a_name_that_looks_like_a_pattern_is_a_file_where_there_is_one(there):
    os.rename("b.png", "[b].png")
    assert list(named_images(["[b].png"])) == ["[b].png"]


def test_what_is_passed_over_is_said(there, caplog):
    (there / "empty").mkdir()
    assert list(named_images(["a", "empty"])) == ["a/1.png", "a/2.jpg", "a/deep/3.png"]
    assert [record.getMessage() for record in caplog.records] == [
        "a: ignored: 1 file that is not an image",
        "empty: no images in this folder",
    ]


def test_a_dash_is_the_list_on_standard_input_whatever_its_bytes(there):
    code = (
        f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from data.named_images import named_images\n"
        "sys.stdout.buffer.write(os.fsencode('|'.join(named_images(['b.png', '-', 'a/1.png']))))"
    )
    lines = b"a/deep\r\n\n spaced .png\n\xff.png\n-"
    done = subprocess.run([sys.executable, "-c", code], input=lines, capture_output=True, check=True)
    assert done.stdout.split(b"|") == [b"b.png", b"a/deep/3.png", b" spaced .png", b"\xff.png", b"-", b"a/1.png"]
