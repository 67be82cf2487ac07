"""The private names of torch that this package uses; tests/learners/test_learners_upstream.py has a test for each."""

import torch
from torch import nn

# The dictionaries in which a module keeps its hooks. torch has no public way to ask a module whether it has any.
HOOK_DICTS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def hook_dicts(model: nn.Module) -> list[dict]:
    """Return the dictionaries in which a model's modules keep their hooks; later hooks appear in them, too."""
    return [getattr(module, name) for module in model.modules() for name in HOOK_DICTS]


def cpu_has_bf16() -> bool:
    """Return whether this CPU multiplies bf16 natively; False if this torch has no function that tells it."""
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check() for check in checks if check)
