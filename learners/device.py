"""Choose the device of a run and the precision of its forward pass."""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Literal

import torch

from learners.recipe import RecipeError
from learners.upstream import cpu_has_bf16


def pick_device(name: str) -> torch.device:
    """Return the device of a name; `auto` is the first available one of CUDA, MPS and CPU.

    Raises:
        RecipeError: the device is not available.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, usable in available.items() if usable)
    if not available[name]:
        raise RecipeError(
            f"device {name!r}: PyTorch finds none on this machine; `device` auto uses the fastest available one"
        )
    return torch.device(name)


@cache
def precision(device: torch.device) -> Literal["bf16", "fp32"]:
    """Return bf16 for devices that compute in it natively and faster, otherwise fp32.

    bf16 is used on Ampere and later GPUs, and on CPUs with AVX-512 BF16 or AMX.
    """
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        native = cpu_has_bf16()
    else:
        native = False
    return "bf16" if native else "fp32"


def autocast(device: torch.device) -> AbstractContextManager:
    """Return the context in which a forward pass on the device runs in its `precision`."""
    return torch.autocast(device.type, torch.bfloat16) if precision(device) == "bf16" else nullcontext()
