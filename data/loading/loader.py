"""A fastai `DataLoader` that reads, augments and copies whole batches to the device."""

import os
import sys
from collections.abc import Iterator
from itertools import chain
from typing import Any, Self

import numpy as np
import torch
from fastai.torch_core import TensorCategory, TensorImage, to_device
from torch import Tensor

from data.augmentation.counter_rng import Keys
from data.augmentation.pipelines import Pipeline, Step, augment, augment_tensor, runs_on_device, steps_of
from data.common.errors import DataError
from data.common.transfer import copy_to_device
from data.loading.batch_transforms import apply_batch_transforms, are_per_image
from data.loading.image_transforms import only_makes_squares
from data.loading.malloc import return_large_blocks
from data.loading.shared import SharedDL
from data.loading.store import Store
from data.upstream import torch_batches

HOST_DEVICE_TYPES = ("cpu",)  # device types for which this process makes the batches itself
HOST_CHUNK_BYTES = 2**20  # pixels that NumPy augments in one call; several small batches are made together
DEVICE_CHUNK_BYTES = 2**25  # pixels that a GPU augments in one call
MAX_GPU_WORKERS = 8  # worker processes for a GPU if the user sets no number


class BatchDL(SharedDL):
    """Yields batches of (uint8 images N×C×H×W, targets N), augmented as a function of (seed, epoch, sample).

    The images come from `store`, or item by item from the dataset if there is no store or the user has changed how
    items are made. Only the training split (`split_idx` 0) is augmented; a copy made with `shuffle=False` is not.

    A GPU makes the batches itself if the decoded images fit into its memory and it can run every step of the pipeline.
    Otherwise worker processes make them, so that the training process is not slowed down by Python's global
    interpreter lock. The batches are the same in every case.

    Args:
        store: the decoded images of `dataset`, in its order.
        pipeline: the augmentation; see `steps_of`.
        seed: determines order and augmentation, together with the epoch.
        augmented: whether training images are augmented.
        num_workers: worker processes that make batches. With a store and a CPU none are used, because sending a batch
            between processes takes longer than making it. For a GPU that cannot make batches, 0 chooses the number.

    Attributes:
        start: index of the first batch of the next iteration, then 0 again; used to resume within an epoch.
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
            raise DataError("bs is None, but this loader makes whole batches; give a number of images")
        super().__init__(dataset, bs=bs, num_workers=num_workers if store is None else 0, **kwargs)
        self.workers = num_workers
        self.store, self.pipeline, self.seed = store, pipeline, seed
        self.augmented = augmented
        self.start = 0
        self._current_epoch, self._first_batch = 0, 0  # of the current iteration; worker processes read them too
        self._single_batch = False  # True within `one_batch`, which starts no workers

    @property
    def pipeline(self) -> tuple[Step, ...]:
        """The steps of the augmentation. May be set to any pipeline that `steps_of` accepts."""
        return self._steps

    @pipeline.setter
    def pipeline(self, pipeline: Pipeline) -> None:
        self._steps = steps_of(pipeline)

    def new(self, dataset: Any = None, cls: type | None = None, **kwargs: Any) -> Self:
        """Returns a copy with some arguments changed; with another dataset, it has no decoded images.

        A copy of a training loader with `shuffle=False` is not augmented and has its own epoch counter.
        """
        own = {"pipeline": self.pipeline, "seed": self.seed, "num_workers": self.workers}
        if dataset is None or dataset is self.dataset:
            own |= {"store": self.store, "augmented": kwargs.get("shuffle", self.augmented) or not self._is_training()}
        return super().new(dataset, cls, **{**own, **kwargs})

    def before_iter(self) -> None:
        """Prepare an iteration, as fastai does."""
        super().before_iter()
        if not self.augmented:
            for transforms in (self.after_item, self.before_batch, self.after_batch):
                transforms.split_idx = 1  # fastai's random transforms skip validation images (split 1)

    def one_batch(self) -> tuple:
        """Returns the first batch, made in this process."""
        self._single_batch = True
        try:
            return super().one_batch()
        finally:
            self._single_batch = False

    def __iter__(self) -> Iterator[tuple]:
        self._current_epoch, self.epoch = self.epoch, self.epoch + 1
        self._first_batch, self.start = self.start, 0
        self.before_iter()
        self._idxs = self.own_part(list(self.get_idxs()))  # computed once, and not again in every worker
        self._first_batch = 0
        store = self._store_of_this_process()
        yield from self._batches_from_loader() if store is None else self._batches_from_store(store)
        self.after_iter()

    def _store_of_this_process(self) -> Store | None:
        """Returns the decoded images if this process makes the batches from them, otherwise None."""
        return self._valid_store() if self._single_batch or self._on_host() or self._is_on_device() else None

    def _valid_store(self) -> Store | None:
        """Returns the decoded images, or None if the items of this loader would differ from them."""
        store = self.store
        return store if store and only_makes_squares(self, size=store.pixels.shape[1]) else None

    def _on_host(self) -> bool:
        return self.device is None or self.device.type in HOST_DEVICE_TYPES

    def _is_on_device(self) -> bool:
        """Whether the images are on the device, which then makes the batches."""
        store = self._valid_store()
        if store is None or self._on_host() or not store.fits(self.device):
            return False
        return not self._augments() or runs_on_device(self.pipeline)

    def _augments(self) -> bool:
        return self.augmented and bool(self.pipeline) and self._is_training()

    def _is_training(self) -> bool:
        return getattr(self.dataset, "split_idx", None) == 0

    def _worker_count(self) -> int:
        if self._single_batch or sys.platform in ("win32", "darwin"):  # as in fastai
            return 0
        useful = 0 if self._on_host() else min(MAX_GPU_WORKERS, max(1, (os.cpu_count() or 1) - 1))
        return self.workers or useful

    def _batches_from_store(self, store: Store) -> Iterator[tuple]:
        """Yield the batches; several small ones are made in one call, which takes no longer than one alone."""
        idxs, epoch = (
            self._idxs,
            self._current_epoch,
        )  # copied, because another iteration may begin before this one ends
        bs, limit = self.part_size, DEVICE_CHUNK_BYTES if self._is_on_device() else HOST_CHUNK_BYTES
        chunk = bs * max(1, limit // (bs * store.pixels[0].size))
        stop = len(idxs) - (len(idxs) % bs if self.drop_last else 0)
        for start in range(0, stop, chunk):
            yield from self._small_batches(store, idxs[start : min(start + chunk, stop)], epoch)

    def _small_batches(self, store: Store, idxs: list[int], epoch: int) -> Iterator[tuple]:
        together = are_per_image(self.after_batch)
        images, targets = self._make_images(store, idxs, epoch)
        if together:
            images = self.after_batch((TensorImage(images),))[0].as_subclass(Tensor)
        for parts in zip(images.split(self.part_size), targets.split(self.part_size), strict=True):
            batch = TensorImage(parts[0]), TensorCategory(parts[1])
            yield batch if together else apply_batch_transforms(self.after_batch, batch)

    def _make_images(self, store: Store, idxs: list[int], epoch: int) -> tuple[Tensor, Tensor]:
        """Returns augmented images N×C×H×W, uint8, channels last in memory, and targets N, on the device."""
        if self._is_on_device():
            pixels, targets = store.on(self.device)
            chosen = copy_to_device(np.array(idxs, np.int64), self.device)
            images, targets = pixels[chosen], targets[chosen]
            if self._augments():
                images = augment_tensor(self.pipeline, images, self._keys(idxs, epoch))
        else:
            made = self._augmented(store.pixels[idxs], idxs, epoch)
            images, targets = self._move((torch.from_numpy(made), torch.from_numpy(store.targets[idxs])))
        return images.permute(0, 3, 1, 2), targets

    def _batches_from_loader(self) -> Iterator[tuple]:
        self.fake_l.num_workers = self._worker_count()
        for batch in torch_batches(self.fake_l):
            if isinstance(batch, DataError):
                raise batch
            yield apply_batch_transforms(self.after_batch, self._move(batch))

    def _move(self, batch: tuple) -> tuple:
        return tuple(batch) if self.device is None else to_device(tuple(batch), self.device)

    def sample(self) -> Iterator[int]:
        """Returns the indices for this worker: every `num_workers`-th batch."""
        idxs = self._idxs
        firsts = range(self.offs * self.part_size, len(idxs), self.num_workers * self.part_size)
        return chain.from_iterable(idxs[i : i + self.part_size] for i in firsts)

    def wif(self) -> None:
        """Prepare a worker process; fastai calls this when one starts."""
        return_large_blocks()

    def create_batches(self, samps: Iterator[int]) -> Iterator[tuple | DataError]:
        """Yield the batches of these samples, or a `DataError`: raised here, torch would add a traceback to it."""
        store, epoch = self._valid_store(), self._current_epoch
        try:
            if store is not None:
                yield from (self._batch_from_store(store, idxs, epoch) for idxs in self.chunkify(samps))
            else:
                items = (
                    (i, item) for i in samps if (item := self.do_item(i)) is not None
                )  # fastai skips an item that is None
                yield from (self._batch_from_items(some, epoch) for some in self.chunkify(items))
        except DataError as error:
            yield error

    def _batch_from_store(self, store: Store, idxs: list[int], epoch: int) -> tuple:
        return self._channels_first(store.pixels[idxs], idxs, epoch), TensorCategory(
            torch.from_numpy(store.targets[idxs])
        )

    def _batch_from_items(self, items: list[tuple[int, tuple]], epoch: int) -> tuple:
        idxs, parts = zip(*items, strict=True)
        images, *targets = self.do_batch(list(parts))
        return self._channels_first(images.permute(0, 2, 3, 1).contiguous().numpy(), list(idxs), epoch), *targets

    def _channels_first(self, images: np.ndarray, idxs: list[int], epoch: int) -> TensorImage:
        return TensorImage(torch.from_numpy(self._augmented(images, idxs, epoch)).permute(0, 3, 1, 2))

    def get_idxs(self) -> list[int]:
        """Returns the dataset indices of this iteration, in order, from its first batch on."""
        return super().get_idxs()[self._first_batch * self.bs :]

    def shuffle_fn(self, idxs: list[int]) -> list[int]:
        """Returns the indices in the random order of (seed, epoch)."""
        return [idxs[i] for i in self._keys(idxs, self._current_epoch).order().tolist()]

    def _keys(self, idxs: list[int], epoch: int) -> Keys:
        return Keys.of(self.seed, epoch, np.array(idxs, np.uint64))

    def _augmented(self, images: np.ndarray, idxs: list[int], epoch: int) -> np.ndarray:
        if not self._augments():
            return images
        if images.dtype != np.uint8:
            raise DataError(
                f"the item transforms return {images.dtype}, but the pipeline takes uint8 images; remove the conversion"
            )
        return augment(self.pipeline, images, self._keys(idxs, epoch))
