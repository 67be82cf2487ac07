"""A fastai loader that counts its epochs, and whose batches can be shown without changing the run."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from fastai.data.core import TfmdDL


@dataclass
class EpochCounter:
    """Epoch counter shared by a loader and its copies, so that every epoch gets new random numbers.

    Attributes:
        epoch: the epoch of the next iteration.
    """

    epoch: int = 0


class EpochCountingDL(TfmdDL):
    """A fastai `TfmdDL` that counts its epochs.

    Args:
        counter: the counter to share; None creates a new one.

    Attributes:
        epoch: epoch that the next iteration uses for its random numbers. Starting an iteration adds one. May be set.
    """

    def __init__(self, *args: Any, counter: EpochCounter | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.counter = counter or EpochCounter()

    @property
    def epoch(self) -> int:
        """The epoch of the next iteration."""
        return self.counter.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.counter.epoch = epoch

    def new(self, dataset: Any = None, cls: type | None = None, **kwargs: Any) -> Self:
        """Returns a copy with some arguments changed.

        The copy shares the epoch counter, unless it has another dataset or `shuffle=False`.
        """
        if (dataset is None or dataset is self.dataset) and kwargs.get("shuffle") is not False:
            kwargs = {"counter": self.counter, **kwargs}
        return super().new(dataset, cls, **kwargs)

    def __copy__(self) -> Self:
        """Returns a new loader. fastai's shallow copy would use the image order of the original for its batches."""
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
        """Show a batch, as fastai's `show_batch` does, without changing the state of the loader.

        With `unique`, show the first image as it is augmented in each of the next `max_n` epochs.
        """
        import fastai.vision.data  # noqa: F401  registers how images are shown; imports torchvision

        b = self._first_image(max_n) if unique and b is None else b
        return super().show_batch(b, max_n, ctxs, show, **kwargs)

    def show_results(self, *args: Any, **kwargs: Any) -> Any:
        """Show images with targets and predictions, as fastai's `show_results` does."""
        import fastai.vision.learner  # noqa: F401  registers how predictions are shown; imports torchvision

        return super().show_results(*args, **kwargs)

    def _first_image(self, epochs: int) -> tuple:
        """Returns a batch of the first image, as it is augmented in each of the next `epochs` epochs."""
        single = self.new(bs=1, drop_last=False, get_idxs=partial(list, [0]), counter=EpochCounter(self.epoch))
        batches = (single.one_batch() for _ in range(epochs))
        return tuple(map(torch.cat, zip(*batches, strict=True)))
