"""The tests of this folder share one table of what works and what is refused."""

import pytest

from tests.idioms.table import Table


@pytest.fixture(scope="session")
def table():
    return Table()
