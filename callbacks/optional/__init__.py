"""Callbacks that a setting of the recipe turns on.

Each is one module of this package. Modules are imported automatically and register their callback.
"""

from collections.abc import Callable
from typing import Any

from fastai.callback.core import Callback

from data.common.discovery import import_modules

MakeCallback = Callable[[Any], Callback]  # function that returns a callback for the value of the setting
TURNED_ON_BY: dict[str, MakeCallback] = {}


def turned_on_by(setting: str) -> Callable[[MakeCallback], MakeCallback]:
    """Return a decorator that registers a callback class or function for a setting of the recipe.

    The decorated object is called with the value of the setting if that value is true (as `bool(value)`).

    Args:
        setting: name of a field of `Recipe`.
    """

    def register(make: MakeCallback) -> MakeCallback:
        TURNED_ON_BY[setting] = make
        return make

    return register


def optional_callbacks(settings: Any) -> list[Callback]:
    """Return the callbacks that the recipe's values turn on.

    Args:
        settings: object with the recipe's fields as attributes.
    """
    values = {name: getattr(settings, name, None) for name in TURNED_ON_BY}
    return [TURNED_ON_BY[name](value) for name, value in values.items() if value]


import_modules(__name__, __path__)
