"""The table of supported and refused methods of fastai, shared by the tests of this folder."""

import pytest

from tests.idioms.table import Table


@pytest.fixture(scope="session")
def table():
    return Table()
