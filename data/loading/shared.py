"""A loader whose batches are divided among several processes."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from fastcore.basics import chunked

from data.common.share import Share
from data.loading.epoch_counter import EpochCountingDL


class SharedDL(EpochCountingDL):
    """An `EpochCountingDL` that yields only the images of each batch that belong to this process.

    `bs`, `n` and the length refer to whole batches.

    Attributes:
        share: part of each batch that this process takes; None takes whole batches. A copy of the loader starts with
            None. `bs` must be a multiple of the number of processes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.share: Share | None = None

    @property
    def part_size(self) -> int:
        """The largest number of images that this process takes from a batch."""
        return self.bs // self.share.count if self.share else self.bs

    def images_of(self, batch: int) -> int:
        """Returns the number of images in the batch with this index, for all processes together."""
        return min(self.bs, self.n - batch * self.bs)

    def own_part(self, idxs: list[int]) -> list[int]:
        """Returns the dataset indices that this process takes, from those of all batches in order."""
        if self.share is None:
            return idxs
        stop = len(idxs) - (len(idxs) % self.bs if self.drop_last else 0)
        return list(chain.from_iterable(self.share.of(idxs[i : i + self.bs]) for i in range(0, stop, self.bs)))

    def chunkify(self, b: Iterator) -> Iterator:
        """Divide the items into batches of `part_size`, as fastai does for `bs`."""
        return b if self.prebatched else chunked(b, self.part_size, self.drop_last)
