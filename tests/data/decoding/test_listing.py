"""A folder is listed once, and again after a folder in it has changed."""

import pytest
from PIL import Image

from data.decoding import listing
from data.decoding.listing import cached_splits
from data.opening import open_source
from data.sources.folder import list_splits

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def root(make_folder):
    return make_folder({"train/a": 5, "train/b": 4, "valid/a": 3})


@pytest.fixture
def deaf(monkeypatch):
    """Make listing a folder fail from now on."""
    return lambda: monkeypatch.setattr(listing, "list_splits", None)


@pytest.mark.parametrize("counts", [{"train/a": 5, "train/b": 4, "test/a": 3}, {"a": 3, "b": 2}])
def test_a_second_look_lists_nothing_and_finds_the_same(make_folder, deaf, counts):
    root = make_folder(counts, name="again")
    first = cached_splits(root)
    assert first == list_splits(root)
    deaf()
    assert cached_splits(root) == first


@pytest.mark.parametrize("where", ["train/a", "valid/a", "train/c"])
def test_a_new_file_is_found(root, where):
    cached_splits(root)
    (root / where).mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(root / where / "new.png")
    assert cached_splits(root) == list_splits(root)


def test_a_file_that_is_gone_is_missed(root):
    cached_splits(root)
    (root / "train" / "a" / "001.png").unlink()
    assert cached_splits(root) == list_splits(root)


def test_named_sets_are_looked_up_and_own_folders_are_not(root, deaf):
    first = open_source("digits")
    deaf()
    again = open_source("digits")
    assert (again.stamp, again.train) == (first.stamp, first.train)
    assert open_source(root).train  # a folder that is not cached is listed by data/sources/folder.py
