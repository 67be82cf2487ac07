"""The recipe checks its settings, and fills in those that depend on the data."""

import json
import math

import pytest

from learners import Recipe
from learners.recipe import RecipeError


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 24, "peak_epoch": 30}, "peak_epoch"),
        ({"epochs": 24, "peak_epoch": 24}, "peak_epoch"),
        ({"peak_epoch": 0}, "peak_epoch"),
        ({"batch_size": 0}, "batch_size"),
        ({"limit": 0}, "limit"),
        ({"size": 7}, "size"),
        ({"lr": 0}, "lr"),
        ({"lr": math.nan}, "lr"),
        ({"lr": "fast"}, "lr"),
        ({"device": "tpu"}, "cuda"),
        ({"mirror": "sideways"}, "alternate"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"momentum": -0.1}, "momentum"),
        ({"weight_decay": math.inf}, "weight_decay"),
        ({"workers": -1}, "workers"),
        ({"decay": "steps"}, "linear"),
        ({"epochs": 4, "freeze_stem": 5}, "freeze_stem"),
        ({"sam": 1.1}, "sam"),
        ({"optimizer": "adam"}, "muon"),
        ({"epoch": 3}, "epochs"),
    ],
)
def test_settings_that_no_run_can_have_are_named(settings, names):
    with pytest.raises(RecipeError, match=names):
        Recipe.of(**settings)


def test_open_fields_are_filled_from_the_data():
    recipe = Recipe().resolve(images=50_000, size=32, mirror="alternate", crop=0.125)
    assert (recipe.batch_size, recipe.lr, recipe.peak_epoch, recipe.size) == (256, 0.25, 5.0, 32)
    assert None not in {value for name, value in recipe.to_dict().items() if name not in ("limit", "holdout", "log")}


def test_what_the_user_set_stays():
    own = {"mirror": "none", "crop": 0.0, "optimizer": "sgd"}
    recipe = Recipe(lr="0.3", peak_epoch=2, size=24, batch_size=100, epochs=10, **own)
    assert recipe.resolve(images=1000, size=32, mirror="random", crop=0.125).to_dict() == recipe.to_dict()
    assert recipe.lr == 0.3


def test_the_peak_keeps_its_fraction_of_other_runs():
    assert Recipe(epochs=48).resolve(images=100, size=8, mirror="none", crop=0.125).peak_epoch == 10


def test_small_sets_get_small_batches_and_the_rate_follows():
    recipe = Recipe().resolve(images=1437, size=16, mirror="none", crop=0.125)
    assert recipe.batch_size == 32  # 44 steps an epoch; 64 would make 22
    assert recipe.lr == pytest.approx(0.25 / 8)


def test_a_run_of_few_epochs_has_smaller_batches():
    few, many = (Recipe(epochs=n).resolve(images=1438, size=16, mirror="none", crop=0.0625) for n in (4, 24))
    assert (few.batch_size, many.batch_size) == (16, 32)  # 89 steps an epoch, 356 in all; 44 an epoch, 1056 in all


@pytest.mark.parametrize(("batch_size", "size", "optimizer"), [(64, 32, "muon"), (63, 32, "sgd"), (16, 64, "muon")])
def test_muon_is_the_default_where_its_step_is_a_small_part_of_the_time(batch_size, size, optimizer):
    recipe = Recipe(batch_size=batch_size).resolve(images=50_000, size=size, mirror="none", crop=0.125)
    assert recipe.optimizer == optimizer


def test_a_batch_larger_than_the_set_is_cut_and_said_so(caplog):
    recipe = Recipe(batch_size=512).resolve(images=100, size=16, mirror="none", crop=0.125)
    assert recipe.batch_size == 100
    assert "reduced to the number of training images, 100" in caplog.text


def test_a_recipe_survives_json():
    recipe = Recipe().resolve(images=50_000, size=32, mirror="alternate", crop=0.125)
    assert Recipe.of(**json.loads(json.dumps(recipe.to_dict(), allow_nan=False))).to_dict() == recipe.to_dict()
