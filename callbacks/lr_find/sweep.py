"""One sweep of a learning-rate range test (Smith 2017, https://arxiv.org/abs/1506.01186)."""

import math
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.torch_core import default_device
from rich.progress import Progress
from torch import nn

from callbacks.lr_find.finder_learner import finder_learner_of
from data.common.progress import on_terminal

STEPS_BETWEEN_CHECKS = 10  # steps between looks at losses on a device, each of which waits for it
MEAN_DECAY = 0.9  # of the running mean that divergence is judged by
DIVERGENCE_RISE = 2.0  # the loss has diverged this many starting losses above its lowest


@dataclass(frozen=True)
class Sweep:
    """The loss at every rate of one sweep, up to where it stopped.

    Attributes:
        lrs: the rate of each step, float64, K.
        losses: the loss of each step before its update, float64, K; all finite.
        stopped: why the sweep ended before its last rate, or None.
    """

    lrs: np.ndarray
    losses: np.ndarray
    stopped: str | None = None


def sweep(learn: Learner, lrs: np.ndarray, title: str = "range test") -> Sweep:
    """Step a twin of `learn` once at each rate. This advances the loader, which they share, and the global generators.

    Args:
        learn: stays as it is.
        lrs: the rates, K.
        title: of the bar that a terminal shows meanwhile.
    """
    finder_learner = finder_learner_of(learn)
    _begin_fit(finder_learner, len(lrs))
    on_device, losses = [], []
    with Progress(**on_terminal()) as bar, closing(_endless_batches(finder_learner.dls.train)) as batches:
        task = bar.add_task(title, total=len(lrs))
        for step, (lr, batch) in enumerate(zip(lrs, batches, strict=False), 1):
            finder_learner.opt.set_hyper("lr", float(lr))
            finder_learner.one_batch(step - 1, batch)
            finder_learner.train_iter, finder_learner.pct_train = step, step / len(lrs)
            bar.advance(task)
            on_device.append(finder_learner.loss.detach().float())
            if finder_learner.loss.is_cpu or step % STEPS_BETWEEN_CHECKS == 0 or step == len(lrs):
                losses += torch.stack(on_device).tolist()
                on_device.clear()
                if _usable_losses(losses)[1]:
                    break
    kept, why = _usable_losses(losses)
    return Sweep(lrs[:kept], np.array(losses[:kept]), why and f"{why} at step {kept + 1}, rate {lrs[kept]:.2g}")


def _begin_fit(finder_learner: Learner, steps: int) -> None:
    """What fastai's `TrainEvalCallback` does at the start of a fit, and its events."""
    finder_learner.n_epoch, finder_learner.epoch, finder_learner.n_iter, finder_learner.dl = (
        1,
        0,
        steps,
        finder_learner.dls.train,
    )
    finder_learner.train_iter, finder_learner.pct_train, finder_learner.training = 0, 0.0, True
    device = getattr(finder_learner.dls, "device", default_device())
    finder_learner.model.train().to(device)
    if isinstance(finder_learner.loss_func, nn.Module):
        finder_learner.loss_func.to(device)
    for event in ("before_fit", "before_epoch", "before_train"):
        finder_learner(event)


def _endless_batches(dl: DataLoader) -> Generator[tuple]:
    while True:
        yield from dl


def _usable_losses(losses: list[float]) -> tuple[int, str | None]:
    """How many losses come before the first that is not finite or tells of divergence, and which of the two it is."""
    mean, lowest = losses[0], math.inf
    for i, loss in enumerate(losses):
        if not math.isfinite(loss):
            return i, "the loss was not finite"
        mean = MEAN_DECAY * mean + (1 - MEAN_DECAY) * loss
        lowest = min(lowest, mean)
        if mean > lowest + DIVERGENCE_RISE * abs(losses[0]):
            return i, "the loss diverged"
    return len(losses), None
