"""A small fastai learner that uses every kind of randomness: six generators, dropout, shuffling, batch norm."""

import random
from functools import partial

import fastai.callback.schedule  # noqa: F401  # gives `Learner` its `fit_one_cycle`
import numpy as np
import torch
from fastai.callback.core import TrainEvalCallback
from fastai.data.core import DataLoaders
from fastai.learner import CastToTensor, Learner, Recorder
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import OptimWrapper
from fastai.torch_core import set_seed
from fastcore.basics import noop
from sklearn.datasets import load_digits
from torch import nn


class NoisyDigits:
    """Digits (1×8×8, class) with noise from each of the generators that data pipelines use."""

    def __init__(self, n: int):
        digits = load_digits()
        self.x = torch.tensor(digits.images[:n, None] / 16, dtype=torch.float32)  # n×1×8×8
        self.y = torch.tensor(digits.target[:n])
        self.own = [np.random.default_rng(1), np.random.RandomState(2), random.Random(3), torch.Generator()]

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int):
        numpy, legacy, python, generator = self.own
        noise = random.random() + np.random.rand() + torch.rand(1).item()
        noise += numpy.random() + legacy.rand() + python.random() + torch.rand(1, generator=generator).item()
        return self.x[i] + 0.05 * noise, self.y[i]


def small_net() -> nn.Sequential:
    """A model from 1×8×8 pixels to 10 logits."""
    conv = nn.Conv2d(1, 8, 3, padding=1)
    pool = [nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(conv, *pool, nn.Dropout(0.1), nn.Linear(32, 10))


def small_learner(model=None, *, n=160, bs=16, seed=0, cbs=(), loss_func=None, **kwargs) -> Learner:
    """A silent learner on the CPU with Nesterov SGD; the same seed gives the same learner.

    Args:
        model: function that returns the model, so that its weights depend on the seed.
    """
    set_seed(seed)
    dls = DataLoaders.from_dsets(NoisyDigits(n), NoisyDigits(16), bs=bs, device="cpu", num_workers=0)
    sgd = partial(OptimWrapper, opt=partial(torch.optim.SGD, momentum=0.9, nesterov=True))
    cbs = [TrainEvalCallback, Recorder, CastToTensor, *cbs]
    loss_func = loss_func or CrossEntropyLossFlat()
    kwargs = {"opt_func": sgd, "default_cbs": False, "cbs": cbs, **kwargs}
    learn = Learner(dls, (model or small_net)(), loss_func, **kwargs)
    learn.logger = noop
    return learn
