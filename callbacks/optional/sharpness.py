"""Sharpness-aware minimisation (SAM): steps with the gradient at the point near the weights where the loss is high."""

from contextlib import nullcontext

import torch
from fastai.callback.core import Callback
from torch import nn

from callbacks.optional import turned_on_by
from callbacks.training.norm_layers import norm_statistics_kept

RADIUS = 0.05  # distance from the weights to the point of the second gradient, in the units of the weights


@turned_on_by("sam")
class SharpnessAware(Callback):
    """Uses sharpness-aware minimisation in the last part of a run.

    The optimizer steps with the gradient at the weights plus `RADIUS` times the unit gradient. This second gradient is
    computed on the same batch, so that a step takes twice as long. The running statistics of norm layers are updated by
    the first forward pass only.

    Args:
        fraction: length of that part, as a fraction of the run.

    Source: Foret et al. 2021, https://arxiv.org/abs/2010.01412.
    """

    run_valid = False

    def __init__(self, fraction: float) -> None:
        self.fraction = fraction

    def before_step(self) -> None:
        if self.pct_train < 1 - self.fraction:
            return
        params = [p for p in self.model.parameters() if p.grad is not None]
        weights = [p.detach().clone() for p in params]
        self._to_worst_point(params)
        self.opt.zero_grad()
        precision = getattr(self.learn, "precision_context", nullcontext)  # fastai's `Learner` does not have it
        with norm_statistics_kept(self.model), precision():
            training_pass = getattr(self.learn, "parallel", None) or self.model
            loss = self.loss_func(training_pass(*self.xb), *self.yb)
        loss.backward()
        with torch.no_grad():
            for param, weight in zip(params, weights, strict=True):
                param.copy_(weight)

    def _to_worst_point(self, params: list[nn.Parameter]) -> None:
        grads = [p.grad for p in params if p.grad is not None]
        norm = nn.utils.get_total_norm(grads)
        with torch.no_grad():
            for param, grad in zip(params, grads, strict=True):
                param.add_(grad * (RADIUS / (norm + 1e-12)))  # 1e-12: no division by zero where all gradients are 0
