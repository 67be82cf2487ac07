"""Contexts that restore the state of a loader, the random generators and autocast at their end."""

import random
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch

from callbacks.random_generators import RestoreState, global_generators

MAX_CONTAINER_ITEMS = 1000  # items up to which a container is searched; a longer one holds data, not transforms


@contextmanager
def preserved(dl: Any) -> Iterator[None]:
    """Restore the loader `dl`, the generators inside it, the global generators and autocast when the block ends."""
    with ExitStack() as undo:
        for restore in (*global_generators(), _autocast(), *map(_generator, generators_in(dl)), _loader(dl)):
            undo.callback(restore)
        yield


@contextmanager
def autocast_preserved() -> Iterator[None]:
    """Restore the state of autocast when the block ends, also after an exception."""
    restore = _autocast()
    try:
        yield
    finally:
        restore()


def generators_in(thing: Any) -> list:
    """Return the random generators inside an object: in its attributes, in theirs, and in short containers."""
    found, seen, waiting = [], set(), [thing]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType):
            continue
        seen.add(id(thing))
        if isinstance(thing, random.Random | np.random.Generator | np.random.RandomState | torch.Generator):
            found.append(thing)
        else:
            waiting.extend(_inside(thing))
    return found


def _inside(thing: Any) -> Iterable:
    if isinstance(thing, dict):
        return list(thing.values()) if len(thing) <= MAX_CONTAINER_ITEMS else ()
    if isinstance(thing, list | tuple | set):
        return thing if len(thing) <= MAX_CONTAINER_ITEMS else ()
    return list(getattr(thing, "__dict__", {}).values())


def _generator(generator: Any) -> RestoreState:
    if isinstance(generator, random.Random):
        return partial(generator.setstate, generator.getstate())
    if isinstance(generator, np.random.Generator):
        return partial(setattr, generator.bit_generator, "state", generator.bit_generator.state)
    return partial(generator.set_state, generator.get_state())  # numpy's RandomState, torch's Generator


def _loader(dl: Any) -> RestoreState:
    """Return a function that restores a loader's attributes.

    `epoch` and `start` are restored separately, because they may be properties whose values are kept elsewhere.
    """
    attributes = dict(vars(dl))
    position = {name: getattr(dl, name) for name in ("epoch", "start") if hasattr(dl, name)}

    def restore() -> None:
        vars(dl).update(attributes)
        for name in vars(dl).keys() - attributes.keys():
            del vars(dl)[name]
        for name, value in position.items():
            setattr(dl, name, value)

    return restore


def _autocast() -> RestoreState:
    """Return a function that restores the state of autocast.

    An exception inside a step with fastai's `MixedPrecision` leaves autocast on and its weight cache filled.
    """
    devices = ("cpu", "cuda")
    enabled, depth = [torch.is_autocast_enabled(device) for device in devices], _autocast_depth()
    dtypes = [torch.get_autocast_dtype(device) for device in devices]

    def restore() -> None:
        while _autocast_depth() > depth:
            torch.autocast_decrement_nesting()
        if depth == 0:
            torch.clear_autocast_cache()
        for device, on, dtype in zip(devices, enabled, dtypes, strict=True):
            torch.set_autocast_enabled(device, on)
            torch.set_autocast_dtype(device, dtype)

    return restore


def _autocast_depth() -> int:
    torch.autocast_increment_nesting()
    return torch.autocast_decrement_nesting()
