"""The loss of a run."""

from typing import Any

import torch
from fastai.losses import CrossEntropyLossFlat
from torch import Tensor
from torch.nn import functional as F


class ClassLoss(CrossEntropyLossFlat):
    """fastai's cross entropy with its activation and decoding, for logits N×C and targets N alone.

    fastai's own `__call__` makes every loss one of its tensor types, with which each later operation takes longer.
    Here it is a plain tensor, also where the logits or targets are of fastai's types.

    Args:
        label_smoothing: probability spread over all classes.
        weight: of each class, C, in training alone: where gradients of the logits are recorded. Validation and whatever
            else looks at a loss count every image alike.
    """

    def __init__(self, label_smoothing: float, weight: Tensor | None = None) -> None:
        super().__init__(label_smoothing=label_smoothing)
        self.weight = weight

    def __call__(self, inp: Tensor, targ: Tensor, **kwargs: Any) -> Tensor:
        weight = self.weight if inp.requires_grad else None
        how = {"reduction": self.func.reduction, "label_smoothing": self.func.label_smoothing} | kwargs
        return F.cross_entropy(inp.as_subclass(Tensor), targ.as_subclass(Tensor), weight, **how)

    def to(self, device: torch.device) -> None:
        """Move the weights there; fastai does so before each fit."""
        super().to(device)
        self.weight = None if self.weight is None else self.weight.to(device)
