"""A learner of this project, and a plain fastai learner with the same weights and images and torch's optimizer."""

import copy
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import OptimWrapper
from torch import Tensor, nn

from data import image_dls
from learners import image_learner
from learners.device import autocast
from learners.learner import ImageLearner
from learners.training.optimizer import RecipeOptimizer

SETTINGS = {"data": "digits", "size": 8, "limit": 64, "batch_size": 16, "epochs": 2, "device": "cpu"}
SETTINGS |= {"weight_decay": 0.0, "norm_bias_lr_scale": 1.0}  # with which the recipe's optimizer is torch's SGD
CPU = torch.device("cpu")


def small_net() -> nn.Module:
    """A model of a body and a head without dropout, so that two models with the same weights train identically."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1)
        return nn.Sequential(*body, nn.Flatten(), nn.Linear(8, 10))


class LearnerPair(NamedTuple):
    ours: ImageLearner
    plain: Learner


def learner_pair(path: Path, **settings) -> LearnerPair:
    """Return both learners, which save into `path`; the plain one has fastai's callbacks except the progress bar."""
    ours = image_learner(**SETTINGS | settings, model=small_net())
    sgd = partial(torch.optim.SGD, momentum=ours.plan.momentum, nesterov=True)
    plain = Learner(
        image_dls("digits", ours.recipe, device=CPU),
        copy.deepcopy(ours.model).to(memory_format=torch.contiguous_format),
        CrossEntropyLossFlat(label_smoothing=ours.plan.label_smoothing),
        opt_func=partial(OptimWrapper, opt=sgd),
        splitter=ours.splitter,
        lr=ours.lr,
        metrics=accuracy,
        path=path,
    )
    ours.path = path
    plain.remove_cb(plain.progress)
    plain.logger = lambda row: None
    return LearnerPair(ours, plain)


def with_our_optimizer(pair: LearnerPair) -> LearnerPair:
    """Give the plain learner the optimizer of the recipe too."""
    pair.plain.opt_func = partial(RecipeOptimizer, model=pair.plain.model, recipe=pair.ours.plan)
    return pair


def on_both(pair: LearnerPair, use) -> list:
    """The results of `use` for both; plain fastai uses the precision that this project chooses for the device."""
    with autocast(CPU):
        expected = use(pair.plain)
    return [use(pair.ours), expected]


def assert_same(found: object, expected: object) -> None:
    """Assert that tensors, numbers and names in any nesting are equal up to rounding."""
    if isinstance(expected, Tensor):
        found = torch.as_tensor(found)
        torch.testing.assert_close(found.as_subclass(Tensor), expected.as_subclass(Tensor), atol=1e-4, rtol=1e-3)
    elif isinstance(expected, float):
        assert abs(found - expected) < 1e-4 + 1e-3 * abs(expected)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    else:
        assert found == expected


def assert_same_weights(pair: LearnerPair) -> None:
    ours, plain = (each.model.state_dict() for each in pair)
    assert_same(list(ours.values()), list(plain.values()))
