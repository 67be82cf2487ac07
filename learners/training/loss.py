"""The loss function of a run: cross entropy with label smoothing and class weights."""

from typing import Any

import torch
from fastai.losses import CrossEntropyLossFlat
from torch import Tensor
from torch.nn import functional as F


class ClassLoss(CrossEntropyLossFlat):
    """fastai's cross entropy for logits N×C and targets N, which returns a plain tensor.

    fastai's own `__call__` returns one of its tensor types, with which each later operation takes longer.

    Args:
        label_smoothing: probability that is spread over all classes.
        weight: weight of each class, C. It applies in training only, which is when the logits require gradients;
            validation weights every image equally.
    """

    def __init__(self, label_smoothing: float, weight: Tensor | None = None) -> None:
        super().__init__(label_smoothing=label_smoothing)
        self.weight = weight

    def __call__(self, inp: Tensor, targ: Tensor, **kwargs: Any) -> Tensor:
        weight = self.weight if inp.requires_grad else None
        options = {"reduction": self.func.reduction, "label_smoothing": self.func.label_smoothing} | kwargs
        return F.cross_entropy(inp.as_subclass(Tensor), targ.as_subclass(Tensor), weight, **options)

    def to(self, device: torch.device) -> None:
        """Move the class weights to a device; fastai calls this before each fit."""
        super().to(device)
        self.weight = None if self.weight is None else self.weight.to(device)
