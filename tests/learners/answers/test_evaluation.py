"""`evaluate` has the results of the learner, without importing fastai."""

import subprocess
import sys

import pytest

from learners import image_learner
from learners.answers.evaluation import evaluate
from learners.finished_learner import load_run
from tests.conftest import ROOT


@pytest.fixture(scope="module", params=["memory", "none"])
def run(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    settings = {"size": 8, "limit": 100, "batch_size": 16, "epochs": 2, "cache": request.param}
    image_learner("digits", out=out, **settings).fit_recipe()
    return out


def test_it_is_the_validation_of_the_learner_to_the_last_digit(run):
    loss, accuracy = load_run(run).validate()
    found = evaluate(run, tta=True)
    assert (found["valid_loss"], found["accuracy"], found["valid_images"]) == (loss, accuracy, 100)
    assert 0 <= found["accuracy_tta"] <= 1


CODE = """
import sys
import app, learners.answers.evaluation

def present():
    return sorted({{'fastai', 'albumentations', 'torchvision', 'matplotlib', 'pandas', 'sklearn'}} & set(sys.modules))

def told(*args, kept=learners.answers.evaluation.validation_batches):
    print('first batch', present())
    return kept(*args)

learners.answers.evaluation.validation_batches = told
sys.argv = ['app.py', 'evaluate', {run!r}]
app.main()
print('end', present())
"""


def test_the_first_batch_waits_for_neither_fastai_nor_what_fastai_brings(run):
    """scikit-learn, which imports pandas if it is installed, is imported after the last batch."""
    command = [sys.executable, "-c", CODE.format(run=str(run))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.strip().splitlines()
    assert "accuracy" in done.stdout
    assert lines[0] == "first batch []"
    assert lines[-1] in ("end ['sklearn']", "end ['pandas', 'sklearn']")
