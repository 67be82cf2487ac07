"""docs/ARCHITECTURE.md names files and functions that exist, and lists every file."""

import re
import runpy

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`([\w/]+\.py:\w+)`", PAGE))))
def test_a_function_or_class_that_is_named_exists(reference):
    path, name = reference.split(":")
    assert re.search(rf"^ *(def|class) {name}\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)


def test_each_file_has_the_line_of_its_docstring():
    tree = runpy.run_path(str(ROOT / "docs/tree.py"))
    assert tree["filled"](PAGE) == PAGE, "run python docs/tree.py"
    assert all(tree["sentence"](path) or path.name == "__init__.py" for path in tree["files"]())
