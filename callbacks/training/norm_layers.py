"""Batch-norm layers and their running statistics."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from torch import Tensor, nn

NormLayer: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm


def norm_layers(model: nn.Module) -> list[NormLayer]:
    """Return the batch-norm layers of a model."""
    return [module for module in model.modules() if isinstance(module, NormLayer)]


def norm_statistics(model: nn.Module) -> list[Tensor]:
    """Return the running means and variances of the batch-norm layers of a model."""
    found = [tensor for norm in norm_layers(model) for tensor in (norm.running_mean, norm.running_var)]
    return [tensor for tensor in found if isinstance(tensor, Tensor)]


@contextmanager
def norm_statistics_kept(model: nn.Module) -> Iterator[None]:
    """Keep the running means and variances unchanged by forward passes in training mode inside this context."""
    layers = norm_layers(model)
    momenta = [norm.momentum for norm in layers]
    try:
        for norm in layers:
            norm.momentum = 0.0
        yield
    finally:
        for norm, momentum in zip(layers, momenta, strict=True):
            norm.momentum = momentum
