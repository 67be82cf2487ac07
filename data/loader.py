"""A fastai `DataLoader` that reads, augments and moves whole batches."""

import os
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from fastai.data.core import TfmdDL
from fastai.torch_core import TensorCategory, TensorImage, to_device
from torch import Tensor

from data.common.errors import DataError
from data.keys import Keys
from data.malloc import return_large_blocks
from data.pipelines import Pipeline, Step, augment, augment_tensor, runs_on_device, steps_of
from data.store import Store
from data.upstream import torch_batches

HOSTS = ("cpu",)  # devices on which batches are made by this process, image by image or in numpy
HOST_CHUNK, DEVICE_CHUNK = 2**20, 2**25  # bytes of pixels that are augmented together where batches are smaller
MOST_WORKERS = 8  # that are started for a GPU where the user names no number


class Passes:
    """How often the data were gone through, shared by a loader and its copies: each pass draws afresh."""

    def __init__(self) -> None:
        self.epoch = 0


class BatchDL(TfmdDL):
    """Batches of (uint8 images N×C×H×W, targets), augmented as a function of (seed, epoch, sample).

    Images come from `store` where there is one, else item by item from the dataset. Only the training split
    (`split_idx` 0) is augmented. Where the device is a GPU, batches are made there if the images are decoded, fit into
    its memory and every step of the pipeline can run there; otherwise worker processes make them, so that the process
    that trains shares its interpreter's lock with no one. The batches are the same in every case.

    Args:
        store: the decoded images of `dataset`, in its order.
        pipeline: the augmentation: see `steps_of`.
        seed: fixes order and augmentation, together with the epoch.
        passes: the count of epochs to share.
        num_workers: processes that make batches. None are used on a CPU where there is a store: to pass a batch between
            processes takes longer than to make it. On a GPU that cannot make them, 0 stands for as many as are useful.

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
        pipeline: Pipeline = (),
        seed: int = 0,
        passes: Passes | None = None,
        num_workers: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(dataset, bs=bs, num_workers=num_workers if store is None else 0, **kwargs)
        self.workers = num_workers
        self.store, self.pipeline, self.seed = store, pipeline, seed
        self.passes = passes or Passes()
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

    def show_batch(self, *args: Any, **kwargs: Any) -> Any:
        import fastai.vision.data  # noqa: F401  registers how images are shown; imports torchvision

        return super().show_batch(*args, **kwargs)

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
        self._idxs = self.get_idxs()  # here, once, and not in every worker
        try:
            store = self._store_here()
            yield from self._from_loader() if store is None else self._from_store(store)
        finally:
            self._first = 0

    # How the batches of an iteration are made

    def _store_here(self) -> Store | None:
        """The decoded images, if this process makes the batches from them."""
        return self.store if self._alone or self._on_host() or self._resident() else None

    def _on_host(self) -> bool:
        return self.device is None or self.device.type in HOSTS

    def _resident(self) -> bool:
        """Whether the device holds the images and makes the batches."""
        if self.store is None or self._on_host() or not self.store.fits(self.device):
            return False
        return not self._augments() or runs_on_device(self.pipeline)

    def _augments(self) -> bool:
        return bool(self.pipeline) and getattr(self.dataset, "split_idx", None) == 0

    def _worker_count(self) -> int:
        if self._alone or sys.platform in ("win32", "darwin"):  # as fastai
            return 0
        useful = 0 if self._on_host() else min(MOST_WORKERS, max(1, (os.cpu_count() or 1) - 1))
        return self.workers or useful

    # From the decoded images

    def _from_store(self, store: Store) -> Iterator[tuple]:
        """Several small batches are made together, which takes no longer than to make one."""
        bytes_of_batch = self.bs * store.pixels[0].size
        chunk = self.bs * max(1, (DEVICE_CHUNK if self._resident() else HOST_CHUNK) // bytes_of_batch)
        stop = min(len(self._idxs), (len(self) - self._first) * self.bs)  # the last batch may be dropped
        for start in range(0, stop, chunk):
            yield from self._batches(store, self._idxs[start : min(start + chunk, stop)])

    def _batches(self, store: Store, idxs: list[int]) -> Iterator[tuple]:
        together = all(getattr(f, "per_image", False) for f in self.after_batch.fs)
        images, targets = self._made(store, idxs)
        if together:
            images = self.after_batch((TensorImage(images),))[0].as_subclass(Tensor)
        for parts in zip(images.split(self.bs), targets.split(self.bs), strict=True):
            batch = TensorImage(parts[0]), TensorCategory(parts[1])
            yield batch if together else self.after_batch(batch)

    def _made(self, store: Store, idxs: list[int]) -> tuple[Tensor, Tensor]:
        """Augmented images N×C×H×W, uint8, in the memory of N×H×W×C, and targets N, on the device."""
        if self._resident():
            pixels, targets = store.on(self.device)
            chosen = torch.tensor(idxs, device=self.device)
            images, targets = pixels[chosen], targets[chosen]
            if self._augments():
                images = augment_tensor(self.pipeline, images, self._keys(idxs))
        else:
            made = self._augmented(store.pixels[idxs], idxs)
            images, targets = self._move((torch.from_numpy(made), torch.from_numpy(store.targets[idxs])))
        return images.permute(0, 3, 1, 2), targets

    # From the files, or where a worker process runs the pipeline

    def _from_loader(self) -> Iterator[tuple]:
        self.fake_l.num_workers = self._worker_count()
        for batch in torch_batches(self.fake_l):
            if isinstance(batch, DataError):
                raise batch
            yield self.after_batch(self._move(batch))

    def _move(self, batch: tuple) -> tuple:
        return tuple(batch) if self.device is None else to_device(tuple(batch), self.device)

    def sample(self) -> Iterator[int]:
        """The share of this process: whole batches, in turn."""
        firsts = range(self.offs * self.bs, len(self._idxs), self.num_workers * self.bs)
        return chain.from_iterable(self._idxs[i : i + self.bs] for i in firsts)

    def wif(self) -> None:
        """fastai's hook at the start of a worker process."""
        return_large_blocks()

    def create_batches(self, samps: Iterator[int]) -> Iterator[tuple | DataError]:
        """The batches of these samples, or the error: torch would put a worker's traceback into its message."""
        try:
            yield from map(self._load, self.chunkify(samps))
        except DataError as error:
            yield error

    def _load(self, idxs: list[int]) -> tuple:
        images, *targets = self._read_items(idxs) if self.store is None else self._read_store(self.store, idxs)
        channels_last = torch.from_numpy(self._augmented(images, idxs)).permute(0, 3, 1, 2)
        return TensorImage(channels_last), *targets

    def _read_store(self, store: Store, idxs: list[int]) -> tuple:
        return store.pixels[idxs], TensorCategory(torch.from_numpy(store.targets[idxs]))

    def _read_items(self, idxs: list[int]) -> tuple:
        images, *targets = self.do_batch([self.do_item(i) for i in idxs])
        return images.permute(0, 2, 3, 1).contiguous().numpy(), *targets

    # Order and augmentation

    def get_idxs(self) -> list[int]:
        return super().get_idxs()[self._first * self.bs :]

    def shuffle_fn(self, idxs: list[int]) -> list[int]:
        return [idxs[i] for i in self._keys(idxs).order().tolist()]

    def _keys(self, idxs: list[int]) -> Keys:
        return Keys.of(self.seed, self._drawn, np.array(idxs, np.uint64))

    def _augmented(self, images: np.ndarray, idxs: list[int]) -> np.ndarray:
        return augment(self.pipeline, images, self._keys(idxs)) if self._augments() else images
