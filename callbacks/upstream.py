"""The private name of torch that this package uses; tests/callbacks/test_callbacks_upstream.py has a test for it."""

from torch import nn


def uncompiled(model: nn.Module) -> nn.Module:
    """The module inside the wrapper that `torch.compile(model)` returns; any other module as it is.

    The layers of the wrapper have other names than those of the model, and torch has no public way to unwrap it.
    """
    return getattr(model, "_orig_mod", model)
