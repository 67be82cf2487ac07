"""Digits in fastai's own loaders, and a small learner of plain fastai."""

import torch
from fastai.callback import schedule  # noqa: F401  gives every learner fit_one_cycle
from fastai.callback.core import TrainEvalCallback
from fastai.data.core import DataLoaders, TfmdDL
from fastai.data.transforms import CategoryMap, Normalize
from fastai.learner import Learner, Recorder
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.torch_core import TensorCategory, TensorImage
from sklearn.datasets import load_digits
from torch import nn


class Digits(list):
    """A fastai dataset of the 8×8 digits, enlarged to 16×16, with a vocabulary."""

    vocab = CategoryMap([f"digit {n}" for n in range(10)], sort=False)


def digits_dl(first: int, count: int, shuffle: bool) -> TfmdDL:
    data = load_digits()
    pixels = torch.tensor(data.images[first : first + count] / 16, dtype=torch.float32)[:, None]
    pixels = pixels.repeat_interleave(2, 2).repeat_interleave(2, 3)  # N×1×16×16
    labels = data.target[first : first + count].tolist()
    items = Digits((TensorImage(x), TensorCategory(y)) for x, y in zip(pixels, labels, strict=True))
    tfms = [Normalize.from_stats([0.3], [0.4], cuda=False)]
    return TfmdDL(items, bs=64, shuffle=shuffle, num_workers=0, after_batch=tfms, device=torch.device("cpu"))


def plain_learner(**kwargs) -> Learner:
    """A plain fastai `Learner` with a small model; its last validation batch has one image."""
    torch.manual_seed(0)
    layers = []
    for n_in, n_out, stride in ((1, 16, 1), (16, 32, 2), (32, 32, 1)):
        layers += [nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    dls = DataLoaders(digits_dl(0, 640, True), digits_dl(700, 257, False), device=torch.device("cpu"))
    defaults = {"loss_func": CrossEntropyLossFlat(), "metrics": accuracy, "cbs": [TrainEvalCallback, Recorder]}
    return Learner(dls, model, default_cbs=False, **{**defaults, **kwargs})
