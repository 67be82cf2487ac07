"""Additions of a session to its recipe are in `recipe.json`, and a resume requires them."""

import json

import pytest
from fastai.callback.core import Callback
from fastai.callback.mixup import MixUp
from fastai.callback.training import GradientClip
from fastai.losses import FocalLossFlat
from fastai.metrics import error_rate

from callbacks.training.means import accuracy
from data.augmentation.transforms import BatchMirror
from learners import image_learner, resume_learner
from learners.training.session import SessionError
from tests.learners.small_runs import NAMED, Interrupted, SmallNet, history_of, observed, small_architecture


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


def set_loss(learn):
    learn.loss_func = FocalLossFlat()


def set_pipeline(learn):
    learn.dls.train.pipeline = [BatchMirror(), BatchMirror(p=0.5)]


# arguments of image_learner, what is done to the learner, what recipe.json says, what the refusal says
ADDED = {
    "callback": ({"cbs": [GradientClip]}, None, {"callbacks": ["GradientClip"]}, "the callback GradientClip, "),
    "mixup": ({"cbs": [MixUp]}, None, {"callbacks": ["MixUp"]}, r"cbs=\[…\]"),
    "loss": ({}, set_loss, {"loss": "FocalLossFlat"}, "the loss FocalLossFlat, .*learn.loss_func = …"),
    "metrics": ({"metrics": [error_rate]}, None, {"metrics": ["error_rate"]}, r"metrics error_rate, .*metrics=\[…\]"),
    "net": ({"model": SmallNet()}, None, {"net": "SmallNet"}, "the net SmallNet, .*model=…"),
    "pipeline": (
        {},
        set_pipeline,
        {"pipeline": ["BatchMirror", "BatchMirror"]},
        "the pipeline BatchMirror, BatchMirror",
    ),
    "two": ({"cbs": [GradientClip]}, set_loss, None, "GradientClip and the loss FocalLossFlat, which this learner"),
}


def make(arguments, change, start):
    learn = start(**arguments)
    if change:
        change(learn)
    return learn


def interrupted(out, arguments, change=None, at=6):
    learn = make(arguments, change, lambda **more: image_learner(**NAMED | more, out=out))
    with pytest.raises(KeyboardInterrupt):
        observed(learn, 1, Interrupted(at)).fit_recipe(checkpoint_minutes=0)


@pytest.mark.parametrize("case", ADDED)
def test_it_is_kept_asked_for_and_the_run_goes_on_with_it(tmp_path, app, case):
    arguments, change, kept, told = ADDED[case]
    out, straight = tmp_path / "run", tmp_path / "straight"
    interrupted(out, arguments, change)
    assert json.loads((out / "recipe.json").read_text())["session"] == kept or case == "two"
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    with pytest.raises(SessionError, match=told) as raised:
        resume_learner(out).fit_recipe()
    assert "\n" not in str(raised.value)
    done = app("fit", "--resume", out)
    assert (done.code, str(raised.value) in done.err) == (2, True), done.err
    assert {path: path.stat().st_mtime_ns for path in before} == before

    make(arguments, change, lambda **more: resume_learner(out, **more)).fit_recipe()
    if "model" not in arguments:  # that net has been trained by now
        make(arguments, change, lambda **more: image_learner(**NAMED | more, out=straight)).fit_recipe()
        assert history_of(out) == history_of(straight)


def test_the_command_line_adds_nothing_and_an_older_run_says_nothing(tmp_path, app):
    out = tmp_path / "run"
    interrupted(out, {})
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe.pop("session") == {}
    (out / "recipe.json").write_text(json.dumps(recipe))
    done = app("fit", "--resume", out, "--json")
    assert (done.code, done.json["epochs"]) == (0, 3), done.err


class Watches(Callback):
    pass


def test_a_further_callback_at_the_resume_is_only_told(tmp_path, caplog):
    interrupted(tmp_path / "run", {"cbs": [GradientClip]})
    resume_learner(tmp_path / "run", cbs=[Watches(), GradientClip()]).fit_recipe()
    assert "is resumed with additional callbacks: Watches" in caplog.text


def test_other_metrics_at_the_resume_are_refused(tmp_path):
    interrupted(tmp_path / "run", {})
    with pytest.raises(SessionError, match="trained with the metrics of its recipe, which this learner does not have"):
        resume_learner(tmp_path / "run", metrics=[accuracy, error_rate]).fit_recipe()
