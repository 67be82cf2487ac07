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

from callbacks.lr_find.twin import twin_of
from data.common.progress import on_terminal

LOOK_EVERY = 10  # steps between looks at losses on a device, each of which waits for it
MEMORY = 0.9  # of the running mean that divergence is judged by
RISE = 2.0  # the loss has diverged this many starting losses above its lowest


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
    twin = twin_of(learn)
    _begin(twin, len(lrs))
    on_device, losses = [], []
    with Progress(**on_terminal()) as bar, closing(_endless(twin.dls.train)) as batches:
        task = bar.add_task(title, total=len(lrs))
        for step, (lr, batch) in enumerate(zip(lrs, batches, strict=False), 1):
            twin.opt.set_hyper("lr", float(lr))
            twin.one_batch(step - 1, batch)
            twin.train_iter, twin.pct_train = step, step / len(lrs)
            bar.advance(task)
            on_device.append(twin.loss.detach().float())
            if twin.loss.is_cpu or step % LOOK_EVERY == 0 or step == len(lrs):
                losses += torch.stack(on_device).tolist()
                on_device.clear()
                if _end(losses)[1]:
                    break
    kept, why = _end(losses)
    return Sweep(lrs[:kept], np.array(losses[:kept]), why and f"{why} at step {kept + 1}, rate {lrs[kept]:.2g}")


def _begin(twin: Learner, steps: int) -> None:
    """What fastai's `TrainEvalCallback` does at the start of a fit, and its events."""
    twin.n_epoch, twin.epoch, twin.n_iter, twin.dl = 1, 0, steps, twin.dls.train
    twin.train_iter, twin.pct_train, twin.training = 0, 0.0, True
    device = getattr(twin.dls, "device", default_device())
    twin.model.train().to(device)
    if isinstance(twin.loss_func, nn.Module):
        twin.loss_func.to(device)
    for event in ("before_fit", "before_epoch", "before_train"):
        twin(event)


def _endless(dl: DataLoader) -> Generator[tuple]:
    while True:
        yield from dl


def _end(losses: list[float]) -> tuple[int, str | None]:
    """How many losses come before the first that is not finite or tells of divergence, and which of the two it is."""
    mean, lowest = losses[0], math.inf
    for i, loss in enumerate(losses):
        if not math.isfinite(loss):
            return i, "the loss was not finite"
        mean = MEMORY * mean + (1 - MEMORY) * loss
        lowest = min(lowest, mean)
        if mean > lowest + RISE * abs(losses[0]):
            return i, "the loss diverged"
    return len(losses), None
