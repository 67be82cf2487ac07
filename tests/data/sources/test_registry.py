"""A new source needs one new file; it is then listed in help texts and messages, and can be opened."""

import subprocess
import sys

import pytest

from data import DataError, open_source, source_names, sources
from data.sources import registry
from data.sources.registry import SOURCES, data_help, find, source
from tests.conftest import ROOT
from tests.data.small_loaders import dls_of

pytestmark = pytest.mark.usefixtures("home")
STRIPES = '''
import numpy as np
from PIL import Image

from data.home import home_path
from data.sources.folder import list_splits
from data.sources.registry import Splits, Suits, source


@source("stripes", ".stripes", suits=Suits(mirror="none", crop=0.25))
def stripes(data: str) -> Splits:
    """Pictures of vertical and horizontal stripes, 8×8 pixels."""
    root = home_path("data") / "stripes"
    upright = np.tile(np.array([0, 255] * 4, np.uint8), (8, 1))
    for label, pixels in {"upright": upright, "level": upright.T}.items():
        (root / label).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(pixels).save(root / label / f"{i}.png")
    return list_splits(root)
'''


@pytest.fixture
def stripes(tmp_path, monkeypatch):
    """Write a new file into the package of sources."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "stripes.py").write_text(STRIPES)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path / "more")])
    yield
    for name in ("stripes", ".stripes"):
        SOURCES.pop(name, None)
    sys.modules.pop("data.sources.stripes", None)


def test_one_new_file_is_a_source(stripes):
    assert "stripes" in source_names()
    assert "stripes" in data_help()
    assert ".stripes" in data_help()
    dls = dls_of("stripes", batch_size=4)
    assert (dls.source.size, dls.source.mirror, dls.source.crop) == (8, "none", 0.25)
    assert list(dls.vocab) == ["level", "upright"]
    assert dls.one_batch()[0].shape == (4, 3, 8, 8)


def test_a_file_with_the_suffix_of_a_source_is_one(stripes, tmp_path):
    (tmp_path / "some.Stripes").touch()
    assert open_source(tmp_path / "some.Stripes").name == str(tmp_path / "some.Stripes")
    with pytest.raises(DataError, match=r"no such file or folder.*\.stripes"):
        open_source(tmp_path / "others.stripes")


def test_two_sources_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two sources have the name digits"):
        source("digits")(find("digits").splits)


def test_the_names_come_without_torch_fastai_and_pandas():
    code = """
import sys
from data import source_names
assert source_names() == ["cifar10", "cifar100", "digits"], source_names()
assert not {"torch", "fastai", "albumentations", "pandas", "cv2", "numpy"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_name_goes_before_a_folder_of_that_name(make_folder, tmp_path, monkeypatch):
    make_folder({"a": 2, "b": 2}, name="digits")
    monkeypatch.chdir(tmp_path)
    assert len(open_source("digits").classes) == 10
    assert len(open_source("./digits").classes) == 2
    assert registry.find("./digits").suits == registry.DEFAULT_SUITS
