"""One process of a launch, which trains two steps in float64 with frozen norm statistics and writes the parameters.

torchrun --standalone --nproc_per_node 2 exact_step.py OUT
"""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from fastai.callback.core import Callback
from torch import nn

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT)]

from learners import image_learner  # noqa: E402

SETTINGS = {"data": "digits", "size": 8, "limit": 37, "batch_size": 32, "epochs": 2, "device": "cpu", "whiten": False}


class Double(nn.Module):
    """Images in float64."""

    def forward(self, x):
        return x.double()


class Frozen(Callback):
    """Norm layers normalise with their running statistics."""

    def before_batch(self):
        for layer in self.model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()


def net():
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    return nn.Sequential(Double(), *layers).double()


def parameters(out, uneven=False):
    """Return the trained parameters in one vector; `uneven` also trains on the smaller last batch of each epoch."""
    learn = image_learner(**SETTINGS, model=net(), cbs=[Frozen()], out=out)
    learn.precision_context = nullcontext
    learn.dls.train.drop_last = not uneven
    learn.fit_recipe()
    return torch.cat([p.detach().flatten() for p in learn.model.parameters()])


if __name__ == "__main__":
    place = Path(sys.argv[1])
    results = {name: parameters(place / name, name == "uneven") for name in ("even", "uneven")}
    torch.save(results, place / f"rank{os.environ['RANK']}.pt")
