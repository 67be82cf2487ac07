"""`evaluate` measures what the learner measures, without waiting for fastai."""

import subprocess
import sys
from pathlib import Path

import pytest

from learners import image_learner
from learners.evaluation import evaluate
from learners.saved import load_run

ROOT = Path(__file__).parents[2]


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


def test_it_imports_neither_fastai_nor_what_fastai_brings(run):
    code = f"import sys; sys.argv = ['app.py', 'evaluate', {str(run)!r}]\nimport app; app.main()\n"
    code += "print({'fastai', 'albumentations', 'torchvision', 'matplotlib', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "accuracy" in done.stdout
    assert done.stdout.strip().splitlines()[-1] == "set()"
