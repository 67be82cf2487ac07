"""The plain attributes of a callback, which a checkpoint stores for callbacks without `state_dict`."""

from contextlib import suppress
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback

SCALAR_TYPES = (float, int, str, bool, type(None))
CALLBACK_NAMES = frozenset(dir(Callback))  # attributes of every callback, such as `learn`, `order` and `run`


def plain_attributes(cb: Callback) -> dict[str, Any]:
    """Return copies of the attributes that are numbers, text, None, tensors, arrays, or containers of these.

    Containers are lists, tuples and dicts. The copies have types that `torch.load(weights_only=True)` accepts.
    """
    found = {}
    for name, value in vars(cb).items():
        if name not in CALLBACK_NAMES:
            with suppress(TypeError):
                found[name] = _packed(value)
    return found


def set_attributes(cb: Callback, packed: dict[str, Any], device: torch.device) -> None:
    """Set the attributes of a callback to values that `plain_attributes` returned.

    If the callback already has a tensor of the same shape and type, the values are copied into that tensor, because
    other objects may share it.

    Args:
        cb: callback to change.
        packed: result of `plain_attributes`.
        device: device for the tensors that were not on the CPU.
    """
    present = vars(cb)
    present.update({name: _unpacked(value, present.get(name), device) for name, value in packed.items()})


def _packed(value: object) -> Any:
    """Return scalars unchanged and other values as a pair (kind, content).

    Raises:
        TypeError: the value is not plain data, or a container of something else.
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
    """Return the value; `present` is the attribute's current value."""
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
