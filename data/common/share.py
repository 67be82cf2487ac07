"""Which images of a batch each of several processes takes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The part of each batch that one of several processes takes: consecutive images, as evenly as possible.

    Attributes:
        rank: the number of the process, from 0.
        count: how many processes there are.
    """

    rank: int
    count: int

    def sizes(self, n: int) -> list[int]:
        """How many of the `n` images of a batch each process takes."""
        each, more = divmod(n, self.count)
        return [each + (rank < more) for rank in range(self.count)]

    def of(self, batch: list[int]) -> list[int]:
        """The part of this process. Where the batch has fewer images than there are processes, those for which none is
        left take the first one, whose result does not count: no model has to run without images.
        """
        sizes = self.sizes(len(batch))
        start = sum(sizes[: self.rank])
        return batch[start : start + sizes[self.rank]] or batch[:1]
