"""What a session sees of the things that it holds: short, true, and never an error."""

import pytest
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import load_learner

from callbacks import GradCAMInterpretation
from data import open_source
from learners import Predictor, Recipe, image_learner
from learners.recipe import Plan
from tests.learners.small_runs import SMALL, small_net

PNG = b"\x89PNG\r\n\x1a\n"


class Watches(Callback):
    pass


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A learner of a net of 330 parameters after a fit of its recipe, with a run directory and a callback."""
    out = tmp_path_factory.mktemp("runs") / "run"
    learn = image_learner(**SMALL, model=small_net(), cbs=[Watches()], out=out)
    learn.before = repr(learn)
    learn.fit_recipe()
    return learn


def test_a_recipe_shows_what_was_asked_and_reads_back():
    recipe = Recipe(data="a'b", epochs=5, lr=0.5, ema=False)
    assert repr(Recipe()) == "Recipe()"
    assert repr(recipe) == """Recipe(data="a'b", epochs=5, lr=0.5, ema=False)"""
    assert eval(repr(recipe)) == recipe


def test_a_plan_shows_what_was_settled_too_and_reads_back():
    plan = Recipe(epochs=12).resolve(images=100, size=16, mirror="none", crop=0.25)
    assert eval(repr(plan), {"Plan": Plan}) == plan
    assert all(part in repr(plan) for part in ("batch_size=16", "peak_epoch=2.5", "size=16", "crop=0.25"))


def test_a_notebook_shows_every_setting_with_its_value_and_meaning():
    page = Recipe(data="<b>", momentum=0.5)._repr_html_()
    cell = '<td style="text-align: left">'
    assert page.count("<tr>") == len(Recipe().to_dict())
    assert f"{cell}momentum</td>{cell}0.5</td>{cell}Nesterov momentum, held constant [default: 0.9]</td>" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_a_learner_tells_its_net_images_plan_and_figures(run):
    text = repr(run)
    for part in (
        "Sequential, 330 parameters that are trained, on cpu",
        "digits: 96 training and 96 validation images of 10 classes",
        "3 epochs of 6 steps of 16 images, 8 pixels wide; sgd, at most 0.0156 in epoch 0.625",
        "Watches",
        str(run.run_dir.path),
        f"3 epochs, accuracy {run.fitted.final['accuracy']:.4f}, valid_loss {run.fitted.final['valid_loss']:.4f}",
    ):
        assert part in text
    assert "not yet by fit_recipe" in run.before


def test_a_learner_that_lost_its_images_still_shows_itself(run, tmp_path):
    run.export(tmp_path / "learner.pkl")
    loaded = load_learner(tmp_path / "learner.pkl")
    assert "0 training and 0 validation images of 10 classes" in repr(loaded)
    loaded.dls = DataLoaders(*run.dls.loaders)
    assert "data       digits\n" in repr(loaded)


def test_what_a_fit_measured_is_short(run):
    assert len(repr(run.fitted)) < 2000
    assert "steps=" not in repr(run.fitted)


def test_a_finder_result_shows_three_digits_and_its_picture(run):
    found = run.lr_find(num_it=40)
    wanted = f"lr={found.lr:.3g}, " if found.lr else f"abstained={found.abstained!r}"
    assert wanted in repr(found)
    assert found._repr_png_().startswith(PNG)
    assert run.lr_find(num_it=20, show_plot=False)._repr_png_() is None


def test_an_interpretation_counts_its_errors_and_shows_the_largest_losses(run):
    interp = GradCAMInterpretation.from_learner(run, layer="0", method="gradcam")
    wrong = int((interp.decoded != interp.targs).sum())
    assert repr(interp) == (
        f"GradCAMInterpretation(96 images, {wrong} of them misclassified; heatmaps by gradcam at 0)"
    )
    assert interp._repr_png_().startswith(PNG)


def test_a_source_counts_its_images():
    text = "digits: 50 training and 50 validation images of 10 classes"
    assert repr(open_source("digits", limit=50)) == f"Source({text})"


def test_a_predictor_tells_what_it_answers(run):
    predictor = Predictor(run.run_dir.path, min_confidence=0.7, device="cpu", model=small_net())
    assert repr(predictor) == "Predictor(10 classes, images of 8 pixels, on cpu; unsure below 70%)"
