"""A learner of this project and a plain fastai learner with the same model, batches, loss and optimizer."""

import csv
import math
from pathlib import Path

import fastai.callback.schedule  # noqa: F401  gives learners `fit_one_cycle`
import torch
from fastai.callback.progress import ProgressCallback
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.torch_core import set_seed
from fastcore.basics import noop
from torch import Tensor

from learners import image_learner
from tests.learners.small_runs import NAMED

SETTINGS = NAMED | {"epochs": 2}  # 64 digits of 8 pixels, 4 steps an epoch; a convolution, a norm, dropout, one layer


def ours(*cbs, **settings):
    return image_learner(**SETTINGS | settings, cbs=cbs)


def plain(*cbs):
    """A plain fastai `Learner` with fastai's callbacks and loss, without its progress bar."""
    made = ours()
    given = {"opt_func": made.opt_func, "splitter": made.splitter, "lr": made.lr, "metrics": accuracy}
    learn = Learner(made.dls, made.model, CrossEntropyLossFlat(label_smoothing=0.2), **given)
    learn.remove_cb(ProgressCallback)
    learn.logger = noop
    return learn.add_cbs(cbs)


def pair(make, folder: Path):
    """Both learners, each with its own callbacks from `make` and its own folder."""
    learners = ours(*make()), plain(*make())
    for learn, name in zip(learners, ("ours", "plain"), strict=True):
        learn.path = folder / name
        learn.path.mkdir(parents=True, exist_ok=True)
    return learners


def both(learners, do):
    """The results of `do` for both learners, each started from the same random state."""
    found = []
    for learn in learners:
        set_seed(7)
        found.append(do(learn))
    return found


def weights(learn):
    return {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}


def alike(one, other):
    """Whether tensors are equal to the last bit and numbers to five digits, in collections of any depth."""
    if isinstance(one, Tensor):
        return torch.equal(one.as_subclass(Tensor), other.as_subclass(Tensor))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if hasattr(one, "__iter__") and not isinstance(one, str):
        return len(one) == len(other) and all(map(alike, one, other))
    return math.isclose(one, other, rel_tol=1e-5) if isinstance(one, float) else one == other


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))
