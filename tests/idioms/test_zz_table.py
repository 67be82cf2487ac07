"""The committed table equals the rows of the tests of this folder. It runs last, because pytest sorts files by name."""

import os
from pathlib import Path

import pytest

from tests.idioms.table import TABLE

HERE = Path(__file__).parent


def test_the_committed_table_is_what_the_tests_saw(table, request):
    ran = {item.path for item in request.session.items}
    if not ran.issuperset(HERE.glob("test_*.py")) or request.session.testsfailed:
        pytest.skip("needs every test of this folder")
    if os.environ.get("WRITE_TABLE"):
        TABLE.write_text(table.text(), encoding="utf-8")
    assert TABLE.read_text(encoding="utf-8") == table.text()
