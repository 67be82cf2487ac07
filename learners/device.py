"""Which device a run uses, and what it is fast at."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import torch

from learners.recipe import RecipeError
from learners.upstream import cpu_has_bf16


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first of CUDA, MPS and CPU that is there.

    Raises:
        RecipeError: the device is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present[name]:
        raise RecipeError(f"device {name!r}: PyTorch finds none on this machine; `device` auto takes what is there")
    return torch.device(name)


@cache
def precision(device: torch.device) -> Literal["bf16", "fp32"]:
    """bf16 where it is native and quicker: Ampere and later GPUs, CPUs with bf16 products or matrix tiles."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        native = cpu_has_bf16()
    else:
        native = False
    return "bf16" if native else "fp32"


def autocast(device: torch.device) -> AbstractContextManager:
    """The context in which a forward pass runs there."""
    return torch.autocast(device.type, torch.bfloat16) if precision(device) == "bf16" else nullcontext()
