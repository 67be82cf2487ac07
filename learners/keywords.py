"""Show the fields of `Recipe` as keyword arguments of a function.

IPython completes the names in the signature of a function, and shows its docstring.
"""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import TypeVar, get_type_hints

from learners.recipe import Recipe, settings_text

Function = TypeVar("Function", bound=Callable)


def with_settings(function: Function) -> Function:
    """Add the fields of `Recipe` to the signature and the docstring of a function with `**settings`."""
    hints, keyword = get_type_hints(Recipe), inspect.Parameter.KEYWORD_ONLY
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = {p.name for p in own}
    more = [f for f in fields(Recipe) if f.name not in names]
    added = [inspect.Parameter(f.name, keyword, default=f.default, annotation=hints[f.name]) for f in more]
    function.__signature__ = inspect.Signature(own + added)  # type: ignore[attr-defined]  # typeshed lacks it
    function.__doc__ = f"{inspect.getdoc(function)}\n\nSettings:\n{settings_text(names)}"
    return function
