"""A fastai `DataLoader` that reads, augments and moves whole batches."""

import os
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any, Self

import numpy as np
import torch
from fastai.torch_core import TensorCategory, TensorImage, to_device
from torch import Tensor

from data.batch_transforms import transformed, treats_alone
from data.common.errors import DataError
from data.common.transfer import sent
from data.images import SquareTensor
from data.keys import Keys
from data.malloc import return_large_blocks
from data.pipelines import Pipeline, Step, augment, augment_tensor, runs_on_device, steps_of
from data.shared import SharedDL
from data.store import Store
from data.upstream import torch_batches

HOSTS = ("cpu",)  # devices on which batches are made by this process, image by image or in numpy
HOST_CHUNK, DEVICE_CHUNK = 2**20, 2**25  # bytes of pixels that are augmented together where batches are smaller
MOST_WORKERS = 8  # that are started for a GPU where the user names no number
READING = {"create_item", "create_batch", "create_batches", "do_batch", "retain", "sample"}  # fastai lets users replace


class BatchDL(SharedDL):
    """Batches of (uint8 images N×C×H×W, targets), augmented as a function of (seed, epoch, sample).

    Images come from `store` where there is one and nobody changed how items are made, else item by item from the
    dataset. Only the training split (`split_idx` 0) is augmented, and not in a copy of its loader that is made with
    `shuffle=False`: a loader in fixed order is for looking at the images as they are.

    Where the device is a GPU, batches are made there if the images are decoded, fit into its memory and every step of
    the pipeline can run there; otherwise worker processes make them, so that the process that trains shares its
    interpreter's lock with no one. The batches are the same in every case.

    Args:
        store: the decoded images of `dataset`, in its order.
        pipeline: the augmentation: see `steps_of`.
        seed: fixes order and augmentation, together with the epoch.
        augmented: whether training images are augmented.
        num_workers: processes that make batches. None are used on a CPU where there is a store: to pass a batch between
            processes takes longer than to make it. On a GPU that cannot make them, 0 stands for as many as are useful.

    Attributes:
        start: the first batch of the next iteration, and of that one only: resumes within an epoch.
    """

    def __init__(
        self,
        dataset: Any = None,
        bs: int = 64,
        *,
        store: Store | None = None,
        pipeline: Pipeline = (),
        seed: int = 0,
        augmented: bool = True,
        num_workers: int = 0,
        **kwargs: Any,
    ) -> None:
        if bs is None and kwargs.get("batch_size") is None:
            raise DataError("bs is None: this loader makes whole batches; give a number of images")
        super().__init__(dataset, bs=bs, num_workers=num_workers if store is None else 0, **kwargs)
        self.workers = num_workers
        self.store, self.pipeline, self.seed = store, pipeline, seed
        self.augmented = augmented
        self.start = 0
        self._drawn, self._first = 0, 0  # epoch and first batch of the current iteration; workers read them too
        self._alone = False  # no worker is started for a single batch

    @property
    def pipeline(self) -> tuple[Step, ...]:
        """The steps of the augmentation; whatever `steps_of` takes may be set."""
        return self._steps

    @pipeline.setter
    def pipeline(self, pipeline: Pipeline) -> None:
        self._steps = steps_of(pipeline)

    def new(self, dataset: Any = None, cls: type | None = None, **kwargs: Any) -> Self:
        """A copy with some arguments changed. Decoded images stay behind where the dataset is another one.

        A copy of a training loader with `shuffle=False` is not augmented, and counts its own epochs.
        """
        own = {"pipeline": self.pipeline, "seed": self.seed, "num_workers": self.workers}
        if dataset is None or dataset is self.dataset:
            own |= {"store": self.store, "augmented": kwargs.get("shuffle", self.augmented) or not self._trains()}
        return super().new(dataset, cls, **{**own, **kwargs})

    def before_iter(self) -> None:
        super().before_iter()
        if not self.augmented:
            for transforms in (self.after_item, self.before_batch, self.after_batch):
                transforms.split_idx = 1  # fastai's random transforms leave such images as they are

    def one_batch(self) -> tuple:
        self._alone = True
        try:
            return super().one_batch()
        finally:
            self._alone = False

    def __iter__(self) -> Iterator[tuple]:
        self._drawn, self.epoch = self.epoch, self.epoch + 1
        self._first, self.start = self.start, 0
        self.before_iter()
        self._idxs = self.own_part(list(self.get_idxs()))  # here, once, and not in every worker
        self._first = 0
        store = self._store_here()
        yield from self._from_loader() if store is None else self._from_store(store)
        self.after_iter()

    # How the batches of an iteration are made

    def _store_here(self) -> Store | None:
        """The decoded images, if this process makes the batches from them."""
        return self._kept() if self._alone or self._on_host() or self._resident() else None

    def _kept(self) -> Store | None:
        """The decoded images, as long as they are what this loader would read: users may change how items are made."""
        if self.store is None or READING & vars(self).keys() or getattr(self.before_batch, "fs", True):
            return None
        sides = [t.size if isinstance(t, SquareTensor) else None for t in getattr(self.after_item, "fs", [])]
        return self.store if sides == [self.store.pixels.shape[1]] else None

    def _on_host(self) -> bool:
        return self.device is None or self.device.type in HOSTS

    def _resident(self) -> bool:
        """Whether the device holds the images and makes the batches."""
        store = self._kept()
        if store is None or self._on_host() or not store.fits(self.device):
            return False
        return not self._augments() or runs_on_device(self.pipeline)

    def _augments(self) -> bool:
        return self.augmented and bool(self.pipeline) and self._trains()

    def _trains(self) -> bool:
        return getattr(self.dataset, "split_idx", None) == 0

    def _worker_count(self) -> int:
        if self._alone or sys.platform in ("win32", "darwin"):  # as fastai
            return 0
        useful = 0 if self._on_host() else min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1))
        return self.workers or useful

    # From the decoded images

    def _from_store(self, store: Store) -> Iterator[tuple]:
        """Several small batches are made together, which takes no longer than to make one."""
        idxs, drawn = self._idxs, self._drawn  # another iteration may begin before this one ends
        bs, most = self.part_size, DEVICE_CHUNK if self._resident() else HOST_CHUNK
        chunk = bs * max(1, most // (bs * store.pixels[0].size))
        stop = len(idxs) - (len(idxs) % bs if self.drop_last else 0)
        for start in range(0, stop, chunk):
            yield from self._batches(store, idxs[start : min(start + chunk, stop)], drawn)

    def _batches(self, store: Store, idxs: list[int], drawn: int) -> Iterator[tuple]:
        together = treats_alone(self.after_batch)
        images, targets = self._made(store, idxs, drawn)
        if together:
            images = self.after_batch((TensorImage(images),))[0].as_subclass(Tensor)
        for parts in zip(images.split(self.part_size), targets.split(self.part_size), strict=True):
            batch = TensorImage(parts[0]), TensorCategory(parts[1])
            yield batch if together else transformed(self.after_batch, batch)

    def _made(self, store: Store, idxs: list[int], drawn: int) -> tuple[Tensor, Tensor]:
        """Augmented images N×C×H×W, uint8, in the memory of N×H×W×C, and targets N, on the device."""
        if self._resident():
            pixels, targets = store.on(self.device)
            chosen = sent(np.array(idxs, np.int64), self.device)
            images, targets = pixels[chosen], targets[chosen]
            if self._augments():
                images = augment_tensor(self.pipeline, images, self._keys(idxs, drawn))
        else:
            made = self._augmented(store.pixels[idxs], idxs, drawn)
            images, targets = self._move((torch.from_numpy(made), torch.from_numpy(store.targets[idxs])))
        return images.permute(0, 3, 1, 2), targets

    # From the files, or where a worker process runs the pipeline

    def _from_loader(self) -> Iterator[tuple]:
        self.fake_l.num_workers = self._worker_count()
        for batch in torch_batches(self.fake_l):
            if isinstance(batch, DataError):
                raise batch
            yield transformed(self.after_batch, self._move(batch))

    def _move(self, batch: tuple) -> tuple:
        return tuple(batch) if self.device is None else to_device(tuple(batch), self.device)

    def sample(self) -> Iterator[int]:
        """The share of this process: whole batches, in turn."""
        idxs = self._idxs
        firsts = range(self.offs * self.part_size, len(idxs), self.num_workers * self.part_size)
        return chain.from_iterable(idxs[i : i + self.part_size] for i in firsts)

    def wif(self) -> None:
        """fastai's hook at the start of a worker process."""
        return_large_blocks()

    def create_batches(self, samps: Iterator[int]) -> Iterator[tuple | DataError]:
        """The batches of these samples, or the error: torch would put a worker's traceback into its message."""
        store, drawn = self._kept(), self._drawn
        try:
            if store is not None:
                yield from (self._read_store(store, idxs, drawn) for idxs in self.chunkify(samps))
            else:
                items = ((i, item) for i in samps if (item := self.do_item(i)) is not None)  # None: to be skipped
                yield from (self._collated(some, drawn) for some in self.chunkify(items))
        except DataError as error:
            yield error

    def _read_store(self, store: Store, idxs: list[int], drawn: int) -> tuple:
        targets = TensorCategory(torch.from_numpy(store.targets[idxs]))
        return self._channels_first(store.pixels[idxs], idxs, drawn), targets

    def _collated(self, items: list[tuple[int, tuple]], drawn: int) -> tuple:
        idxs, parts = zip(*items, strict=True)
        images, *targets = self.do_batch(list(parts))
        return self._channels_first(images.permute(0, 2, 3, 1).contiguous().numpy(), list(idxs), drawn), *targets

    def _channels_first(self, images: np.ndarray, idxs: list[int], drawn: int) -> TensorImage:
        return TensorImage(torch.from_numpy(self._augmented(images, idxs, drawn)).permute(0, 3, 1, 2))

    # Order and augmentation

    def get_idxs(self) -> list[int]:
        return super().get_idxs()[self._first * self.bs :]

    def shuffle_fn(self, idxs: list[int]) -> list[int]:
        return [idxs[i] for i in self._keys(idxs, self._drawn).order().tolist()]

    def _keys(self, idxs: list[int], drawn: int) -> Keys:
        return Keys.of(self.seed, drawn, np.array(idxs, np.uint64))

    def _augmented(self, images: np.ndarray, idxs: list[int], drawn: int) -> np.ndarray:
        if not self._augments():
            return images
        if images.dtype != np.uint8:
            raise DataError(f"the item transforms give {images.dtype}: the pipeline of this loader takes uint8 images")
        return augment(self.pipeline, images, self._keys(idxs, drawn))
