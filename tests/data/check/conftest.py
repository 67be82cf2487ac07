"""Fixtures for the tests of `check`."""

import pytest

from data.check.report import check_data
from tests.data.check.check_pictures import picture


@pytest.fixture
def clean(tmp_path):
    """A folder of 2 classes, 6 training and 3 validation images each, with which nothing is wrong."""
    root, seed = tmp_path / "pictures", 0
    for split, count in (("train", 6), ("valid", 3)):
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                picture(seed).save(root / split / label / f"{i}.png")
                seed += 1
    return root


@pytest.fixture
def found():
    """Returns the findings of a folder by kind: the names of each case, relative to the folder, and its note."""

    def find(root):
        kinds = {}
        for one in check_data(root).findings:
            kinds[one.kind] = [
                ([name.removeprefix(f"{root}/") for name in case.names], case.note) for case in one.cases
            ]
        return kinds

    return find
