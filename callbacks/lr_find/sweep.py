"""A sweep: training steps with a given learning rate each, as in a range test.

Source: Smith 2017, https://arxiv.org/abs/1506.01186.
"""

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

STEPS_BETWEEN_CHECKS = 10  # steps between checks on an accelerator, where reading the losses waits for the device
MEAN_DECAY = 0.9  # weight of the previous value in the running mean of the loss
DIVERGENCE_RISE = 2.0  # rise of the running mean above its minimum that counts as divergence, in starting losses


@dataclass(frozen=True)
class Sweep:
    """The losses of a sweep.

    Attributes:
        lrs: learning rate of each step up to the end of the sweep, float64, K.
        losses: loss of each step before its update, float64, K; all finite.
        stopped: reason why the sweep ended before its last learning rate, or None.
    """

    lrs: np.ndarray
    losses: np.ndarray
    stopped: str | None = None


def sweep(learn: Learner, lrs: np.ndarray, title: str = "range test") -> Sweep:
    """Train a copy of `learn` for one step at each learning rate.

    This advances the training loader, which the copy shares with `learn`, and the global random generators.

    Args:
        learn: learner to copy; its model, optimizer and callbacks do not change.
        lrs: learning rates, K.
        title: title of the progress bar, which is shown on a terminal.
    """
    clone = finder_learner_of(learn)
    _begin_fit(clone, len(lrs))
    on_device, losses = [], []
    with Progress(**on_terminal()) as bar, closing(_endless_batches(clone.dls.train)) as batches:
        task = bar.add_task(title, total=len(lrs))
        for step, (lr, batch) in enumerate(zip(lrs, batches, strict=False), 1):
            clone.opt.set_hyper("lr", float(lr))
            clone.one_batch(step - 1, batch)
            clone.train_iter, clone.pct_train = step, step / len(lrs)
            bar.advance(task)
            on_device.append(clone.loss.detach().float())
            if clone.loss.is_cpu or step % STEPS_BETWEEN_CHECKS == 0 or step == len(lrs):
                losses += torch.stack(on_device).tolist()
                on_device.clear()
                if _usable_losses(losses)[1]:
                    break
    kept, why = _usable_losses(losses)
    return Sweep(
        lrs[:kept], np.array(losses[:kept]), why and f"{why} at step {kept + 1}, learning rate {lrs[kept]:.2g}"
    )


def _begin_fit(clone: Learner, steps: int) -> None:
    """Do what fastai's `TrainEvalCallback` does at the start of a fit, and send the events of the start."""
    clone.n_epoch, clone.epoch, clone.n_iter, clone.dl = 1, 0, steps, clone.dls.train
    clone.train_iter, clone.pct_train, clone.training = 0, 0.0, True
    device = getattr(clone.dls, "device", default_device())
    clone.model.train().to(device)
    if isinstance(clone.loss_func, nn.Module):
        clone.loss_func.to(device)
    for event in ("before_fit", "before_epoch", "before_train"):
        clone(event)


def _endless_batches(dl: DataLoader) -> Generator[tuple]:
    while True:
        yield from dl


def _usable_losses(losses: list[float]) -> tuple[int, str | None]:
    """Return the number of usable losses, and why the sweep must stop (None if it need not)."""
    mean, lowest = losses[0], math.inf
    for i, loss in enumerate(losses):
        if not math.isfinite(loss):
            return i, "the loss was not finite"
        mean = MEAN_DECAY * mean + (1 - MEAN_DECAY) * loss
        lowest = min(lowest, mean)
        if mean > lowest + DIVERGENCE_RISE * abs(losses[0]):
            return i, "the loss diverged"
    return len(losses), None
