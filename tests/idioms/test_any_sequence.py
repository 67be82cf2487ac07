"""After any sequence of calls, `fit_recipe` trains as the recipe says and reports the saved model, or refuses to train.

`SEQUENCES=60 python -m pytest tests/idioms/test_any_sequence.py` tries more sequences than the test suite does.
"""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fastai.callback.mixup import MixUp
from fastai.callback.progress import CSVLogger
from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback
from fastai.callback.training import GradientAccumulation, GradientClip, ShortEpochCallback
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import error_rate
from fastai.optimizer import Adam
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from callbacks.training.means import accuracy
from data import image_dls
from data.common.errors import AppError
from learners.answers.evaluation import evaluate
from learners.models import MODELS
from learners.training.plan_fit import planned_rates
from tests.idioms.beside import alike, ours, rows_of, weights
from tests.learners.small_runs import Interrupted, SmallNet, small_architecture

EPOCHS, STEPS = 2, 8
STOPS = (EarlyStoppingCallback,)  # ends a run before its last epoch
SKIPS = (*STOPS, GradientAccumulation, ShortEpochCallback)  # takes fewer steps


class OtherNet(SmallNet):
    """A model of another registered architecture."""

    def __init__(self, *args):
        super().__init__(*args)
        self.append(nn.Linear(10, 10))


@pytest.fixture(autouse=True, scope="module")
def _architectures():
    with small_architecture():
        MODELS["other"] = OtherNet
        yield
        del MODELS["other"]


def interrupted(begin):
    """Send Ctrl-C in the third step of a fit or of the rest of a run."""

    def call(learn):
        stop = Interrupted(2)
        learn.add_cb(stop)
        try:
            begin(learn)
        except KeyboardInterrupt:
            pass
        finally:
            learn.remove_cb(stop)

    return call


def added(make):
    """Add a callback that stays, unless it was added before."""

    def call(learn):
        cb = make()
        if not any(type(other) is type(cb) for other in learn.cbs):
            learn.add_cb(cb)

    return call


def put(name, make):
    """Replace an attribute of the learner, such as the loss or the optimizer."""
    return lambda learn: setattr(learn, name, make(learn))


def loaders(learn, **settings):
    recipe = type(learn.recipe)(**learn.recipe.to_dict() | settings)
    return image_dls("digits", recipe, device=learn.dls.device)


def save_and_load(learn):
    learn.save("kept")
    learn.load("kept")


def fit_without_bar(learn):
    with learn.no_bar():
        learn.fit(1)


def show_batch(learn):
    learn.dls.show_batch(unique=True)
    plt.close("all")


CALLS = {
    "fit": lambda learn: learn.fit(1, 0.1),
    "fit_one_cycle": lambda learn: learn.fit_one_cycle(1, 0.1),
    "fit without bar": fit_without_bar,
    "fit, interrupted": interrupted(lambda learn: learn.fit(1, 0.1)),
    "fit_recipe": lambda learn: learn.fit_recipe(),
    "fit_recipe, interrupted": interrupted(lambda learn: learn.fit_recipe()),
    "freeze": lambda learn: learn.freeze(),
    "unfreeze": lambda learn: learn.unfreeze(),
    "lr_find": lambda learn: learn.lr_find(num_it=8),
    "validate": lambda learn: learn.validate(),
    "get_preds": lambda learn: learn.get_preds(),
    "predict": lambda learn: learn.predict(np.zeros((8, 8, 3), np.uint8)),
    "save and load": save_and_load,
    "export": lambda learn: learn.export(),
    "show_batch": show_batch,
    "one_batch": lambda learn: learn.dls.one_batch(),
    "to_fp16": lambda learn: learn.to_fp16(),
    "stops early": added(lambda: EarlyStoppingCallback(comp=np.greater)),
    "saves the best": added(lambda: SaveModelCallback(comp=np.greater)),
    "clips": added(GradientClip),
    "mixes": added(MixUp),
    "accumulates": added(lambda: GradientAccumulation(32)),
    "shortens": added(lambda: ShortEpochCallback(0.3)),
    "logs": added(CSVLogger),
    "other metric": put("metrics", lambda learn: [error_rate]),
    "more metrics": put("metrics", lambda learn: [accuracy, error_rate]),
    "other loss": put("loss_func", lambda learn: CrossEntropyLossFlat()),
    "other optimizer": put("opt_func", lambda learn: Adam),
    "the same loaders": put("dls", loaders),
    "loaders of another size": put("dls", lambda learn: loaders(learn, size=12)),
    "loaders of other images": put("dls", lambda learn: loaders(learn, limit=48)),
    "loaders of smaller batches": put("dls", lambda learn: learn.dls.new(bs=8)),
    "another net": put("model", lambda learn: SmallNet()),
    "another architecture": put("model", lambda learn: OtherNet()),
}


@pytest.mark.filterwarnings("ignore:.*CUDA is not available")
@settings(derandomize=True, deadline=None, database=None, max_examples=int(os.environ.get("SEQUENCES", "12")))
@given(st.lists(st.sampled_from(sorted(CALLS)), min_size=1, max_size=6))
def test_after_any_calls_a_run_is_that_of_its_recipe_or_is_refused(calls):
    with TemporaryDirectory() as folder:
        run = Path(folder, "run")
        learn = ours(out=run)
        for name in calls:
            try:
                CALLS[name](learn)
            except AppError as error:
                check_sentence(error)
        before, recipe = weights(learn), content(run / "recipe.json")
        try:
            results = learn.fit_recipe()
        except AppError as error:
            check_sentence(error)
            assert alike(weights(learn), before)
            assert content(run / "recipe.json") == recipe
        else:
            check_run(learn, run, results)


def check_sentence(error):
    """Check that an error message is one line and not empty."""
    assert len(str(error)) > 20
    assert "\n" not in str(error)


def content(path):
    return path.read_bytes() if path.exists() else None


def check_run(learn, run, results):
    """Check the learning rates against the plan, the epochs against the recipe, and the metrics against the model."""
    rows, plan = rows_of(run / "schedule.csv"), planned_rates(learn)
    for row in rows:
        assert float(row["lr"]) == float(row["planned_lr"]) == plan[int(row["step"])][0]
    assert results["steps"] == len(rows)
    assert len(rows) == STEPS or has(learn, SKIPS)
    assert results["epochs"] == len(rows_of(run / "history.csv"))
    assert results["epochs"] == EPOCHS or has(learn, STOPS)
    found = evaluate(run)
    if "error_rate" in results:
        assert found["accuracy"] == pytest.approx(1 - results["error_rate"], abs=1e-6)
    if "accuracy" in results:
        assert found["accuracy"] == results["accuracy"]
    assert "accuracy" in results or "error_rate" in results
    assert found.get("valid_loss", results["valid_loss"]) == results["valid_loss"]
    assert ("valid_loss" in found) == (learn.loss_func is learn.made_with.loss_func)


def has(learn, kinds):
    return any(isinstance(cb, kinds) for cb in learn.cbs)
