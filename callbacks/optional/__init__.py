"""Callbacks that a setting of the recipe turns on: one file each, found by itself."""

from collections.abc import Callable
from typing import Any

from fastai.callback.core import Callback

from data.common.discovery import import_modules

MakeCallback = Callable[[Any], Callback]  # from the value of the setting to the callback
TURNED_ON_BY: dict[str, MakeCallback] = {}


def turned_on_by(setting: str) -> Callable[[MakeCallback], MakeCallback]:
    """Register what makes a callback from the value of the setting of this name, wherever that value is true."""

    def register(make: MakeCallback) -> MakeCallback:
        TURNED_ON_BY[setting] = make
        return make

    return register


def optional_callbacks(settings: Any) -> list[Callback]:
    """The callbacks that the values of `settings`, attributes of a recipe, turn on."""
    values = {name: getattr(settings, name, None) for name in TURNED_ON_BY}
    return [TURNED_ON_BY[name](value) for name, value in values.items() if value]


import_modules(__name__, __path__)
