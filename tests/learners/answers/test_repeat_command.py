"""The command in a report has the recipe of the run."""

import shlex

import pytest
import typer.main

from app import app
from learners.answers.fit_command import fit_command
from learners.recipe import Recipe
from learners.run_directory.run import Run

RECIPES = {
    "defaults": {},
    "switches": {"ema": False, "balance": True, "data": "my images/a b"},
    "numbers": {"data": "digits", "lr": 0.125, "epochs": 7, "seed": 3, "limit": 50, "crop": 0.0, "mirror": "none"},
}


def parsed(command):
    """Return the recipe that the command line makes from a command."""
    python, file, name, *words = shlex.split(command)
    assert (python, file, name) == ("python", "app.py", "fit")
    known = typer.main.get_command(app).commands["fit"]
    values = known.make_context("fit", words).params
    fields = Recipe.__dataclass_fields__
    return Recipe.of(**{name: value for name, value in values.items() if name in fields and value is not None})


@pytest.mark.parametrize("case", RECIPES)
def test_a_recipe_comes_back(case):
    recipe = Recipe.of(**RECIPES[case])
    assert parsed(fit_command(recipe)) == recipe


def test_the_command_of_a_run_is_its_plan(small_run):
    run = Run.open(small_run)
    assert parsed(fit_command(run.recipe)).to_dict() == run.recipe.to_dict() | {"device": "auto"}


def test_settings_of_the_machine_are_left_out():
    assert fit_command(Recipe.of(workers=4, cache="none", device="cpu")) == "python app.py fit"
