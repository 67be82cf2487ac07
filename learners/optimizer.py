"""The optimizer of a recipe, and the groups of parameters that it treats differently."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from fastai.optimizer import OptimWrapper
from torch import nn

from learners.muon import Muon
from learners.recipe import Recipe

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.GroupNorm, nn.LayerNorm)
FUSED = ("cpu", "cuda")  # devices for which torch has SGD as one kernel
FILTERS_RATE = 0.24  # Muon's rate for the filters, as a multiple of SGD's: 0.06 where SGD has 0.25


@dataclass(frozen=True)
class Group:
    """Parameters with the same settings.

    Attributes:
        params: the parameters.
        weight_decay: L2 penalty.
        factor: their rate, as a multiple of the recipe's.
        start: the epoch in which their training starts; their rate is 0 before it.
        orthogonal: they are filters that `Muon` steps by an orthogonal matrix.
    """

    params: list[nn.Parameter]
    weight_decay: float = 0.0
    factor: float = 1.0
    start: float = 0.0
    orthogonal: bool = False

    def to_dict(self) -> dict:
        """The group in the form that torch's optimizers take."""
        orthogonal = {"orthogonal": True} if self.orthogonal else {}
        return {"params": self.params, "weight_decay": self.weight_decay, **orthogonal}


def param_groups(model: nn.Module, recipe: Recipe) -> list[Group]:
    """The groups of the model's trainable parameters: matrices and filters, biases of norms, and other vectors.

    Matrices and filters decay. Decaying the scale of a norm would only change the effective rate of the layer before
    it (van Laarhoven 2017). Norm biases train `bias_lr` times as fast as the rest (Jordan 2024). `freeze_stem` and
    `optimizer="muon"` add a group each, at the end.
    """
    norm_biases = {id(m.bias) for m in model.modules() if isinstance(m, NORMS)}
    params = [p for p in model.parameters() if p.requires_grad]
    vectors = [p for p in params if p.ndim <= 1]
    matrices = [p for p in params if p.ndim > 1]
    filters = [p for p in matrices if p.ndim == 4]
    stem = filters[:1] if recipe.freeze_stem else []
    orthogonal = filters[len(stem) :] if recipe.optimizer == "muon" else []
    apart = {id(p) for p in (*stem, *orthogonal)}
    groups = [
        Group([p for p in matrices if id(p) not in apart], recipe.weight_decay),
        Group([p for p in vectors if id(p) in norm_biases], factor=recipe.bias_lr),
        Group([p for p in vectors if id(p) not in norm_biases]),
    ]
    if stem:
        groups.append(Group(stem, recipe.weight_decay, start=recipe.freeze_stem))
    if orthogonal:
        groups.append(Group(orthogonal, factor=FILTERS_RATE, orthogonal=True))
    return groups


def splitter(recipe: Recipe) -> Callable[[nn.Module], list[dict]]:
    """fastai's `splitter` for the groups above."""
    return partial(_split, recipe=recipe)


def _split(model: nn.Module, recipe: Recipe) -> list[dict]:
    return [group.to_dict() for group in param_groups(model, recipe)]


def opt_func(recipe: Recipe) -> Callable[..., OptimWrapper]:
    """fastai's `opt_func`: torch's SGD, because fastai's own has no Nesterov momentum; or `Muon`."""
    optimizer = Muon if recipe.optimizer == "muon" else torch.optim.SGD
    sgd = partial(_fused, optimizer, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    return partial(OptimWrapper, opt=sgd)


def _fused(optimizer: type[torch.optim.SGD], groups: list[dict], **settings: Any) -> torch.optim.SGD:
    """The optimizer, which steps all parameters of a group in one call where their device has a kernel for that."""
    device = next(param.device for group in groups for param in group["params"])
    return optimizer(groups, fused=device.type in FUSED, **settings)
