"""The loss of a run."""

from typing import Any

from fastai.losses import CrossEntropyLossFlat
from torch import Tensor


class ClassLoss(CrossEntropyLossFlat):
    """fastai's cross entropy with its activation and decoding, for logits N×C and targets N alone.

    fastai's own `__call__` makes every loss one of its tensor types, with which each later operation takes longer.
    Here it is a plain tensor, also where the logits or targets are of fastai's types.
    """

    def __call__(self, inp: Tensor, targ: Tensor, **kwargs: Any) -> Tensor:
        return self.func(inp.as_subclass(Tensor), targ.as_subclass(Tensor), **kwargs)
