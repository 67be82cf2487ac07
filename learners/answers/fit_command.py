"""The command line that trains by a recipe."""

import shlex
from dataclasses import fields

from learners.recipe import Recipe

MACHINE_SETTINGS = ("workers", "cache", "device")  # settings that depend on the machine and not on the recipe


def fit_command(recipe: Recipe) -> str:
    """Return the command line that trains by a recipe, with one flag per setting that is not the default.

    Settings that depend on the machine, such as the number of workers, are left out; they do not change the result.
    """
    words = ["python", "app.py", "fit"]
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name in MACHINE_SETTINGS or value == field.default or value is None:
            continue
        flag = field.name.replace("_", "-")
        words += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return shlex.join(words)
