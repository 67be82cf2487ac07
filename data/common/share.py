"""Divide the images of each batch among several processes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The part of each batch that one of several processes takes: consecutive images, as evenly as possible.

    Attributes:
        rank: rank of the process, counted from 0.
        count: number of processes.
    """

    rank: int
    count: int

    def sizes(self, n: int) -> list[int]:
        """Returns the number of images that each process takes from a batch of `n` images."""
        each, more = divmod(n, self.count)
        return [each + (rank < more) for rank in range(self.count)]

    def of(self, batch: list[int]) -> list[int]:
        """Returns the dataset indices of `batch` that this process takes.

        If the batch has fewer images than there are processes, each process without an image of its own takes the
        first one, because a model cannot run on an empty batch. The results of these extra images are discarded.
        """
        sizes = self.sizes(len(batch))
        start = sum(sizes[: self.rank])
        return batch[start : start + sizes[self.rank]] or batch[:1]
