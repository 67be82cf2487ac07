"""Declare and describe the settings of a recipe, and map their former names to the current ones.

This module does not import torch, because the command line reads it for `--help`.
"""

from collections.abc import Iterable
from dataclasses import Field, field
from html import escape
from typing import Any

# Former and current names of settings; old `recipe.json` files and checkpoints have the former names.
FORMER_NAMES = {"bias_lr": "norm_bias_lr_scale", "zero_init": "zero_init_residual"}


def setting(default: Any, help: str) -> Any:
    """Return a dataclass field; its `help` is also the help text of the setting's flag."""
    return field(default=default, metadata={"help": help})


def help_of(setting: Field) -> str:
    """Return the description of a field of `Recipe`, with its default if it has one."""
    return setting.metadata["help"] + ("" if setting.default is None else f" [default: {setting.default}]")


def settings_table(settings: Iterable[Field], recipe: Any) -> str:
    """Return an HTML table with the name, value and description of each setting.

    Args:
        settings: the fields of `Recipe`.
        recipe: the recipe with the values.
    """
    cells = [(f.name, str(getattr(recipe, f.name)), help_of(f)) for f in settings]
    left = '<td style="text-align: left">'
    rows = ["<tr>" + "".join(f"{left}{escape(text)}</td>" for text in row) + "</tr>" for row in cells]
    return f"<table>{''.join(rows)}</table>"


def with_current_names(stored: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a stored recipe under the current names of their settings."""
    return {FORMER_NAMES.get(name, name): value for name, value in stored.items()}
