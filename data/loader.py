"""A fastai `DataLoader` that reads, augments and moves whole batches."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import albumentations as A
import numpy as np
import torch
from fastai.data.core import TfmdDL
from fastai.data.load import _loaders  # torch's iterators with and without worker processes
from fastai.torch_core import TensorCategory, TensorImage, to_device

from .ahead import ahead
from .batched import augment
from .errors import DataError
from .keys import Keys
from .malloc import return_large_blocks


class Store(NamedTuple):
    """The decoded images of one split.

    Attributes:
        pixels: N×H×W×C, uint8.
        targets: N, int64.
    """

    pixels: np.ndarray
    targets: np.ndarray


class Passes:
    """How often the data were gone through, shared by a loader and its copies: each pass draws afresh."""

    def __init__(self):
        self.epoch = 0


class BatchDL(TfmdDL):
    """Batches of (uint8 images N×C×H×W, targets), augmented as a function of (seed, epoch, sample).

    Images come from `store` where there is one, else item by item from the dataset. Only the training split
    (`split_idx` 0) is augmented.

    Args:
        store: the decoded images of `dataset`, in its order.
        pipeline: the augmentation.
        seed: fixes order and augmentation, together with the epoch.
        passes: the count of epochs to share.
        num_workers: processes that read and augment; none are used where there is a store, because passing a
            batch between processes takes longer than making it.

    Attributes:
        epoch: what the next iteration draws for; one more after each start of an iteration, and settable.
        start: the first batch of the next iteration, and of that one only: resumes within an epoch.
    """

    def __init__(
        self,
        dataset: Any = None,
        bs: int = 64,
        *,
        store: Store | None = None,
        pipeline: A.Compose | None = None,
        seed: int = 0,
        passes: Passes | None = None,
        num_workers: int = 0,
        **kwargs: Any,
    ):
        super().__init__(dataset, bs=bs, num_workers=num_workers if store is None else 0, **kwargs)
        self.workers = num_workers
        self.store, self.pipeline, self.seed = store, pipeline, seed
        self.passes = passes or Passes()
        self.start = 0
        self._drawn, self._first = 0, 0  # epoch and first batch of the iteration under way, also in workers

    @property
    def epoch(self) -> int:
        return self.passes.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.passes.epoch = epoch

    def new(self, dataset: Any = None, cls: type | None = None, **kwargs: Any) -> "BatchDL":
        """A copy with some arguments changed. Decoded images stay behind where the dataset is another one."""
        own = {"pipeline": self.pipeline, "seed": self.seed, "num_workers": self.workers}
        if dataset is None or dataset is self.dataset:
            own |= {"store": self.store, "passes": self.passes}
        return super().new(dataset, cls, **{**own, **kwargs})

    def __iter__(self) -> Iterator[tuple]:
        self._drawn, self.epoch = self.epoch, self.epoch + 1
        self._first, self.start = self.start, 0
        self.before_iter()
        self._idxs = self.get_idxs()  # here, once, and not in every worker
        try:
            for batch in _loaders[self.fake_l.num_workers == 0](self.fake_l):
                yield self.after_batch(self._move(batch))
        except DataError as error:  # a worker's comes with the worker's traceback before it
            message = str(error).strip().splitlines()[-1]
            raise DataError(message.removeprefix("data.errors.DataError: ")) from error
        finally:
            self._first = 0

    def _move(self, batch: tuple) -> tuple:
        """To the device without waiting for it, which fastai's own loop does at every batch."""
        if self.device is None:
            return batch
        return to_device(tuple(batch), self.device, non_blocking=self.pin_memory)

    def sample(self) -> Iterator[int]:
        """The share of this process: whole batches, in turn."""
        firsts = range(self.offs * self.bs, len(self._idxs), self.num_workers * self.bs)
        return chain.from_iterable(self._idxs[i : i + self.bs] for i in firsts)

    def wif(self) -> None:
        """fastai's hook at the start of a worker process."""
        return_large_blocks()

    def get_idxs(self) -> list[int]:
        return super().get_idxs()[self._first * self.bs :]

    def shuffle_fn(self, idxs: list[int]) -> list[int]:
        return [idxs[i] for i in self._keys(idxs).order().tolist()]

    def create_batches(self, samps: Iterator[int]) -> Iterator[tuple]:
        batches = map(self._load, self.chunkify(samps))
        waits = self.device is None or self.device.type == "cpu"  # then a thread would take from the training
        yield from batches if waits else ahead(batches)

    def _load(self, idxs: list[int]) -> tuple:
        images, *targets = self._read_items(idxs) if self.store is None else self._read_store(idxs)
        if self.pipeline and getattr(self.dataset, "split_idx", None) == 0:
            images = augment(self.pipeline, images, self._keys(idxs))
        channels_last = torch.from_numpy(images).permute(0, 3, 1, 2)  # N×C×H×W in the memory of N×H×W×C
        return TensorImage(channels_last), *targets

    def _keys(self, idxs: list[int]) -> Keys:
        return Keys.of(self.seed, self._drawn, np.array(idxs, np.uint64))

    def _read_store(self, idxs: list[int]) -> tuple:
        return self.store.pixels[idxs], TensorCategory(torch.from_numpy(self.store.targets[idxs]))

    def _read_items(self, idxs: list[int]) -> tuple:
        images, *targets = self.do_batch([self.do_item(i) for i in idxs])
        return images.permute(0, 2, 3, 1).contiguous().numpy(), *targets
