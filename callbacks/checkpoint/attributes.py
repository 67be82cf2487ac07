"""The plain part of a callback's attributes, for callbacks that do not say themselves what their state is."""

from contextlib import suppress
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback

SCALAR_TYPES = (float, int, str, bool, type(None))
CALLBACK_NAMES = frozenset(dir(Callback))  # what every callback has, as `learn`, `order` and `run`


def plain_attributes(cb: Callback) -> dict[str, Any]:
    """The attributes that are numbers, text, None, tensors, arrays, or lists, tuples and dicts of such.

    They are copies, in types that `torch.load(weights_only=True)` knows.
    """
    found = {}
    for name, value in vars(cb).items():
        if name not in CALLBACK_NAMES:
            with suppress(TypeError):
                found[name] = _packed(value)
    return found


def set_attributes(cb: Callback, packed: dict[str, Any], device: torch.device) -> None:
    """Put back what `plain_attributes` returned.

    A tensor that the callback has already, in the same shape, gets the values: it may be shared with others.

    Args:
        device: where tensors go that were not on the CPU.
    """
    present = vars(cb)
    present.update({name: _unpacked(value, present.get(name), device) for name, value in packed.items()})


def _packed(value: object) -> Any:
    """Scalars as they are, all else as a pair of its kind and its content.

    Raises:
        TypeError: the value is, or holds, something else than plain data.
    """
    if type(value) in SCALAR_TYPES:
        return value
    if isinstance(value, np.number | np.bool_):
        return value.item()
    if isinstance(value, torch.Tensor):
        kind = "tensor" if value.device.type == "cpu" else "tensor of the device"
        return kind, value.detach().as_subclass(torch.Tensor).to("cpu", copy=True)
    if isinstance(value, np.ndarray):
        return "array", torch.from_numpy(value.copy())
    if type(value) is dict:
        return "dict", [(_packed(key), _packed(item)) for key, item in value.items()]
    if type(value) is list or type(value) is tuple:
        return type(value).__name__, [_packed(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not plain data")


def _unpacked(packed: Any, present: Any, device: torch.device) -> Any:
    """The value; `present` is what stands in its place now."""
    if not isinstance(packed, tuple):
        return packed
    kind, content = packed
    if kind == "array":
        return content.numpy()
    if kind.startswith("tensor"):
        return _tensor(content, present, torch.device("cpu") if kind == "tensor" else device)
    if kind == "dict":
        keys = [(_unpacked(key, None, device), item) for key, item in content]
        held = present if isinstance(present, dict) else {}
        return {key: _unpacked(item, held.get(key), device) for key, item in keys}
    known = present if isinstance(present, list | tuple) else ()
    items = [_unpacked(item, other, device) for item, other in zip_longest(content, known[: len(content)])]
    return items if kind == "list" else tuple(items)


def _tensor(content: torch.Tensor, present: Any, device: torch.device) -> torch.Tensor:
    same_kind = isinstance(present, torch.Tensor) and (present.shape, present.dtype) == (content.shape, content.dtype)
    if not same_kind:
        return content.to(device)
    with torch.no_grad():
        return present.copy_(content)
