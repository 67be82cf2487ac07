"""The command that trains by a recipe."""

import shlex
from dataclasses import fields

from learners.recipe import Recipe

HERE = ("workers", "cache", "device")  # settings of a machine: another one may need others


def fit_command(recipe: Recipe) -> str:
    """The command line that fits a recipe: a flag for each setting that is not the default.

    Settings of the machine, as the number of workers, are left out; they do not change the result.
    """
    words = ["python", "app.py", "fit"]
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name in HERE or value == field.default or value is None:
            continue
        flag = field.name.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join(words)
