"""Folders with problems: `check` reports the problem, and `fit` trains on the right pixels or raises a clear error.

The pixels in the batches are compared with closed forms, and the files of the user are unchanged.
"""

import hashlib
import json
import re
import subprocess
import sys
from itertools import chain

import numpy as np
import pytest
from fastai.callback.core import Callback
from fastai.torch_core import TensorImage
from torch import nn

from learners import image_learner
from learners.models import MODELS
from tests.conftest import ROOT
from tests.data.trouble.kinds import SIDE, Pictures, all_kinds

SHORT = {"model": "one-layer", "size": SIDE, "epochs": 1, "batch_size": 4096, "device": "cpu"}
AS_IT_IS = {"crop": 0.0, "cutout": 0.0, "mirror": "none"}  # no augmentation
FLAGS = [part for name, value in SHORT.items() for part in (f"--{name.replace('_', '-')}", value)]


class OneLayer(nn.Sequential):
    """A minimal model."""

    def __init__(self, n_classes, in_channels=3):
        super().__init__(nn.Conv2d(in_channels, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, n_classes))


class BatchPictures(Callback):
    """Stores the pictures and classes of the only training batch and of the first validation batch."""

    def __init__(self):
        self.seen = {}

    def before_batch(self):
        split = "train" if self.training else "valid"
        pixels = self.dls.train.after_batch.decode((TensorImage(self.xb[0]),))[0]
        pictures = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
        self.seen.setdefault(split, (pictures, [self.dls.vocab[target] for target in self.yb[0]]))


@pytest.fixture(autouse=True)
def small_model(monkeypatch):
    monkeypatch.setitem(MODELS, "one-layer", OneLayer)


def state(root):
    """Returns the times, modes and digests of all files and folders."""
    facts = {path: path.lstat() for path in sorted([root, *root.rglob("*")])}
    return {
        str(path): (
            *(found.st_mtime_ns, found.st_ctime_ns, found.st_mode, found.st_ino, found.st_size),
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and found.st_mode & 0o444 else None,
        )
        for path, found in facts.items()
    }


def unmatched(expected, split, seen):
    """Returns the expected pictures that are missing, and the labels of the pictures that were not expected."""
    pictures, labels = seen
    left, missing = set(range(len(labels))), []
    of_split = [one for one in expected if one.split in (split, "any")]
    for one in sorted(of_split, key=lambda one: one.tolerance):
        of_class = (i for i in left if labels[i] == one.label)
        near = [i for i in of_class if abs(pictures[i].astype(int) - one.pixels).max() <= one.tolerance]
        missing += [] if near else [(one.split, one.label)]
        left -= set(near[:1])
    return missing, [labels[i] for i in left]


def check_pictures(root, expected, **settings):
    """Train, and compare the pictures in the batches with the expected ones."""
    recorder = BatchPictures()
    learn = image_learner(root, cbs=[recorder], **SHORT, **AS_IT_IS, **settings)
    learn.fit_recipe()
    if any(one.split == "any" for one in expected):
        pictures, labels = zip(*recorder.seen.values(), strict=True)
        recorder.seen = {"any": (np.concatenate(pictures), [*chain(*labels)])}
    for split, seen in recorder.seen.items():
        assert unmatched(expected, split, seen) == ([], []), split


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # about the files that are damaged on purpose
@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_each_kind_of_trouble(app, tmp_path, caplog, kind):
    folder = Pictures(tmp_path / "pictures", kind.usual)
    kind.make(folder)
    before = state(folder.root)
    checked = app("check", folder.data, "--json")
    told = caplog.text + checked.err + (json.dumps(checked.json, ensure_ascii=False) if checked.out else "")
    assert checked.code in ((0, 1) if checked.out else (2,))
    assert re.search(kind.check, told), told
    if kind.refused:
        check_refusal(app("fit", "--data", folder.data, *FLAGS, "--out", tmp_path / "run"), folder, kind.refused)
        assert not (tmp_path / "run").exists()
    if kind.skipped or not kind.refused:
        check_pictures(folder.data, folder.expected, skip_bad=kind.skipped)
    assert state(folder.root) == before


def check_refusal(done, folder, words):
    assert (done.code, done.out) == (2, "")
    assert re.search(words, done.err), done.err
    assert len(done.err.strip().splitlines()) <= 2, done.err
    assert str(folder.root) in done.err or str(folder.data) in done.err
    assert "Traceback" not in done.err


def test_there_are_at_least_sixty_kinds():
    kinds = all_kinds()
    assert len({kind.name for kind in kinds}) == len(kinds) >= 60


def test_the_script_makes_a_folder_of_each_kind(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "tests.data.trouble.make_trouble", tmp_path / "trouble"], cwd=ROOT, check=True
    )
    names = {path.name for path in (tmp_path / "trouble").iterdir()}
    assert names >= {kind.name for kind in all_kinds()}
