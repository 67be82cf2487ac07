"""Helpers of the command line: settings of a recipe as flags, and results and messages as text.

This module imports neither torch nor fastai, so that `app.py --help` answers at once.
"""

import functools
import inspect
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from typing import Annotated, Any, get_args, get_type_hints

import typer

from data.common.launch import launch_command, process_count, process_rank
from learners.recipe import Recipe
from learners.setting import help_of

NAMES = (*(f.name for f in fields(Recipe)), "out", "min_confidence", "csv", "format", "port")
FLAGS = {name: f"--{name.replace('_', '-')}" for name in NAMES}  # flags that replace names of arguments in messages
FLAGS |= {"lr_find": "`lr-find`", "num_it": "--steps", "start_lr": "--start-lr", "end_lr": "--end-lr"}


def recipe_flags(command: Callable) -> Callable:
    """Replace the `**settings` of a command by one flag per field of `Recipe`.

    For example `def fit(out: Path, **settings)` gets the flags --out, --data, --epochs and so on. Typer reads them from
    the signature. The command is called with those settings that the user set.
    """
    hints, keyword = get_type_hints(Recipe), inspect.Parameter.KEYWORD_ONLY
    flags = [
        inspect.Parameter(f.name, keyword, default=None, annotation=_flag(f, hints[f.name])) for f in fields(Recipe)
    ]
    own = [
        p.replace(kind=keyword) for p in inspect.signature(command).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]

    @functools.wraps(command)
    def with_flags(**given: Any) -> Any:
        return command(**{name: value for name, value in given.items() if value is not None})

    with_flags.__signature__ = inspect.Signature(flags + own)  # type: ignore[attr-defined]  # typeshed lacks it
    with_flags.__annotations__ = {p.name: p.annotation for p in flags + own}
    return with_flags


def _flag(field: Field, hint: Any) -> Any:
    """Return the typer annotation of one field. `lr` may be `auto`: it is passed as text, and `Recipe` converts it."""
    kind = str if str in get_args(hint) else hint
    return Annotated[kind | None, typer.Option(help=help_of(field), show_default=False)]


def show(results: dict[str, Any], as_json: bool) -> None:
    """Print results to stdout, as one JSON object or one line per result; of several processes only the first prints.

    Args:
        results: the results by name; dictionaries may be nested.
        as_json: print JSON.
    """
    if process_rank() > 0:
        return
    if as_json:
        print(json.dumps(results, allow_nan=False))
        return
    lines = dict(_lines(results))
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}")


def _lines(results: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in results.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, ", ".join(map(str, value))
        elif value is not None:
            yield prefix + name, f"{value:.6g}" if isinstance(value, float) else str(value)


def with_flags(message: str) -> str:
    """Return a message with the names of arguments replaced by flags: `` `batch_size` `` becomes --batch-size."""
    launch = launch_command(process_count())
    message = re.sub(r"resume_learner\('(.+?)'\)", rf"{launch} app.py fit --resume \1", message)
    message = re.sub(r"report_run\('(.+?)'\)", r"python app.py report \1", message)
    return re.sub(r"`(\w+)`", lambda match: FLAGS.get(match[1], match[0]), message)


class FlagFormatter(logging.Formatter):
    """Formats log messages of the library with `with_flags`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message of a record with flags in place of names of arguments."""
        return with_flags(super().format(record))
