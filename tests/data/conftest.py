"""Fixtures for the tests of data: folders of random images, and a fastai home folder."""

import os
import shutil

import numpy as np
import pytest
from fastai.data.external import fastai_cfg
from PIL import Image


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty FASTAI_HOME."""
    monkeypatch.setenv("FASTAI_HOME", str(tmp_path / "home"))
    fastai_cfg.cache_clear()
    yield tmp_path / "home"
    fastai_cfg.cache_clear()


@pytest.fixture
def make_folder(tmp_path):
    """Write random images: `make_folder({"train/cat": 5, "valid/cat": 2}, size=(32, 32))`."""

    def make(counts, size=(12, 12), name="pictures"):
        rng = np.random.default_rng(0)
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        for folder, count in counts.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / folder / f"{i:03d}.png")
        return root

    return make


@pytest.fixture
def touch():
    """Increase the change time of a file by one second, as an edit would."""

    def later(path):
        stat = os.stat(path)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))

    return later


@pytest.fixture
def copy_of():
    return shutil.copytree
