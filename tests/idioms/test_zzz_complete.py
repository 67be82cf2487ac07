"""Every public method of fastai's learner, loaders and interpretation is in the table, including patched methods.

It runs after the test that writes the table.
"""

import json
import subprocess
import sys

import fastai.callback.all
import fastai.vision.all  # noqa: F401  both patch methods into the classes
import pytest
from fastai.data.core import DataLoaders, TfmdDL
from fastai.interpret import ClassificationInterpretation
from fastai.learner import Learner, Recorder

from tests.conftest import ROOT
from tests.idioms.table import TABLE

LEFT_OUT = {"DataLoaders.o": "a variable that is left over in the body of fastai's class"}
OTHER_MODULES = {  # whose patches are left out; a session has them only if it imports these
    "fastai.distributed": "for several processes; it needs accelerate",
    "fastai.callback.wandb": "for a service; it needs wandb",
}
ASKED_FOR = {
    "Learner": "loss_func metrics splitter",
    "DataLoaders": "loaders vocab n_subsets __getitem__ __len__ c n_inp",
    "Recorder": "plot_loss plot_sched plot_lr_find",
}
CLASSES = {
    "Learner": [Learner],
    "DataLoaders": [DataLoaders, TfmdDL],  # the loaders have the methods of the training loader, too
    "ClassificationInterpretation": [ClassificationInterpretation],
    "GradCAMInterpretation": [ClassificationInterpretation],
    "Recorder": [],
}


def public(cls: type) -> set[str]:
    names = {name for name in dir(cls) if not name.startswith("_")}
    return {name for name in names if getattr(getattr(cls, name), "__module__", None) not in OTHER_MODULES}


@pytest.mark.parametrize("name", CLASSES)
def test_nothing_is_missing(name):
    wanted = set().union(*map(public, CLASSES[name])) | set(ASKED_FOR.get(name, "").split())
    rows = [line.split("`")[1] for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    found = {row.split("(")[0].split(" ")[0] for row in rows}
    missing = {f"{name}.{method}" for method in wanted} - found - LEFT_OUT.keys()
    assert not missing


def test_what_is_left_out_is_there_in_fastai():
    every = {f"{name}.{method}" for name, classes in CLASSES.items() for cls in classes for method in public(cls)}
    assert LEFT_OUT.keys() <= every


def test_pictures_of_the_recorder_are_all_asked_for():
    assert {name for name in public(Recorder) if name.startswith("plot")} == set(ASKED_FOR["Recorder"].split())


SESSION = """
import json
from callbacks import GradCAMInterpretation
from fastai.learner import Recorder
from learners import image_learner
from learners.learner import ImageLearner, ImageLoaders

CLASSES = GradCAMInterpretation, ImageLearner, ImageLoaders, Recorder
before = [set(dir(cls)) for cls in CLASSES]
import fastai.callback.all, fastai.vision.all
print(json.dumps([sorted(set(dir(cls)) - names) for cls, names in zip(CLASSES, before)]))
"""


def test_a_session_has_every_method_without_fastais_star_imports():
    """fastai adds many methods to its classes in modules that a user may not have imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SESSION], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[], [], [], []]
