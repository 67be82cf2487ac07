"""The one private name of torch that this package uses; tests/callbacks/test_callbacks_upstream.py tests it."""

from torch import nn


def uncompiled(model: nn.Module) -> nn.Module:
    """Return the module inside the wrapper that `torch.compile(model)` returns, or `model` if it has no wrapper.

    In the wrapper the layers have other names than in the model, and torch has no public way to unwrap it.
    """
    return getattr(model, "_orig_mod", model)
