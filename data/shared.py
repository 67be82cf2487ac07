"""A loader whose batches several processes share."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from fastcore.basics import chunked

from data.common.share import Share
from data.passes import CountingDL


class SharedDL(CountingDL):
    """A `CountingDL` that gives a part of each batch, where it is told which.

    `bs`, `n` and the length are those of whole batches.

    Attributes:
        share: the part of each batch that this process takes; without it, and in each copy, all of it. The number of
            processes divides `bs`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.share: Share | None = None

    @property
    def part_size(self) -> int:
        """The images of a batch that this process takes, at the most."""
        return self.bs // self.share.count if self.share else self.bs

    def images_of(self, batch: int) -> int:
        """How many images the batch of this number has, for all processes together."""
        return min(self.bs, self.n - batch * self.bs)

    def own_part(self, idxs: list[int]) -> list[int]:
        """Of the images of whole batches, in their order, those that this process takes."""
        if self.share is None:
            return idxs
        stop = len(idxs) - (len(idxs) % self.bs if self.drop_last else 0)
        return list(chain.from_iterable(self.share.of(idxs[i : i + self.bs]) for i in range(0, stop, self.bs)))

    def chunkify(self, b: Iterator) -> Iterator:
        """fastai's, for parts of batches."""
        return b if self.prebatched else chunked(b, self.part_size, self.drop_last)
