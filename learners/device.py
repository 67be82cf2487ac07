"""Which device a run uses, and what it is fast at."""

from functools import cache

import torch

from learners.recipe import RecipeError


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first of CUDA, MPS and CPU that is there.

    Raises:
        RecipeError: the device is not there.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present[name]:
        raise RecipeError(f"device {name!r}: PyTorch finds none on this machine; --device auto takes what is there")
    return torch.device(name)


@cache
def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 is native and quicker there: Ampere and later GPUs, CPUs with matrix tiles."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_amx_tile_supported()
