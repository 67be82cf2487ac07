"""The optimizer of a recipe: SGD with Nesterov momentum, weight decay on the weights alone."""

from functools import partial

import torch
from fastai.optimizer import OptimWrapper
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from learners.recipe import Recipe


def param_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Three groups: the matrices and filters, which decay; the biases of norms; what else is a vector.

    Decaying a norm's scale only changes the effective rate of the layer before it (van Laarhoven 2017).
    """
    norm_biases = {id(m.bias) for m in model.modules() if isinstance(m, _BatchNorm)}
    params = [p for p in model.parameters() if p.requires_grad]
    vectors = [p for p in params if p.ndim <= 1]
    return [
        {"params": [p for p in params if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in vectors if id(p) in norm_biases], "weight_decay": 0.0},
        {"params": [p for p in vectors if id(p) not in norm_biases], "weight_decay": 0.0},
    ]


def group_rates(recipe: Recipe) -> list[float]:
    """The peak rate of each group: norm biases learn `bias_lr` times as fast (Jordan 2024)."""
    return [recipe.lr, recipe.lr * recipe.bias_lr, recipe.lr]


def splitter(recipe: Recipe):
    """fastai's `splitter` for the groups above."""
    return partial(param_groups, weight_decay=recipe.weight_decay)


def opt_func(recipe: Recipe):
    """fastai's `opt_func`: torch's SGD, because fastai's own has no Nesterov momentum."""
    sgd = partial(torch.optim.SGD, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    return partial(OptimWrapper, opt=sgd)
