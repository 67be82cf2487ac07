"""A fastai loader that counts how often its data were gone through, and that can be looked at in between."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from fastai.data.core import TfmdDL


@dataclass
class Passes:
    """How often the data were gone through, shared by a loader and its copies: each pass draws afresh."""

    epoch: int = 0


class CountingDL(TfmdDL):
    """A fastai `TfmdDL` whose passes are numbered.

    Args:
        passes: the count to share; without it the loader has one of its own.

    Attributes:
        epoch: what the next iteration draws for; one more after each start of an iteration, and settable.
    """

    def __init__(self, *args: Any, passes: Passes | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.passes = passes or Passes()

    @property
    def epoch(self) -> int:
        return self.passes.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.passes.epoch = epoch

    def new(self, dataset: Any = None, cls: type | None = None, **kwargs: Any) -> Self:
        """A copy with some arguments changed; with another dataset, or with `shuffle=False`, it counts for itself."""
        if (dataset is None or dataset is self.dataset) and kwargs.get("shuffle") is not False:
            kwargs = {"passes": self.passes, **kwargs}
        return super().new(dataset, cls, **kwargs)

    def __copy__(self) -> Self:
        """fastai's shallow copy would make its batches from the order of the original."""
        return self.new()

    def show_batch(
        self,
        b: tuple | None = None,
        max_n: int = 9,
        ctxs: Any = None,
        show: bool = True,
        unique: bool = False,
        **kwargs: Any,
    ) -> Any:
        """fastai's; with `unique` the first image as `max_n` epochs would draw it. The loader stays as it is."""
        import fastai.vision.data  # noqa: F401  registers how images are shown; imports torchvision

        b = self._first_image(max_n) if unique and b is None else b
        return super().show_batch(b, max_n, ctxs, show, **kwargs)

    def show_results(self, *args: Any, **kwargs: Any) -> Any:
        import fastai.vision.learner  # noqa: F401  registers how answers are shown; imports torchvision

        return super().show_results(*args, **kwargs)

    def _first_image(self, epochs: int) -> tuple:
        """A batch of the first image, as it is in so many epochs from the present one on."""
        alone = self.new(bs=1, drop_last=False, get_idxs=partial(list, [0]), passes=Passes(self.epoch))
        batches = (alone.one_batch() for _ in range(epochs))
        return tuple(map(torch.cat, zip(*batches, strict=True)))
