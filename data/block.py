"""The `DataBlock` of the project, and the `DataLoaders` built from it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.data.transforms import ToTensor
from fastai.torch_core import default_device

from data.cache import Stats, load_pixels, load_stats
from data.images import OpenImage, SquareTensor
from data.items import ImageItem, label_of
from data.loader import BatchDL
from data.normalize import NormalizeBytes
from data.opening import Data, Source, open_source
from data.pipelines import train_pipeline
from data.readable import require_readable
from data.settings import DataRecipe, DataSettings
from data.store import Store, targets_of


class ImageLoaders(DataLoaders):
    """Loaders of a source, and what they were made from.

    Attributes:
        source: the images; without them in what `learn.export` writes.
        settings: how they become batches.
        stats: mean and deviation that they are normalised with.
    """

    source: Source
    settings: DataSettings
    stats: Stats

    def __init__(
        self,
        *loaders: DataLoader,
        source: Source,
        settings: DataSettings,
        stats: Stats,
        path: str | Path = ".",
        device: torch.device | None = None,
    ) -> None:
        super().__init__(*loaders, path=path, device=device)
        self.source, self.settings, self.stats = source, settings, stats

    def new_empty(self) -> "ImageLoaders":
        """The same loaders without images, as fastai exports them."""
        empty = [dl.new(dl.dataset.new_empty()) for dl in self.loaders]
        known: dict[str, Any] = {"settings": self.settings, "stats": self.stats}
        return type(self)(*empty, source=self.source.without_images(), path=self.path, device=self.device, **known)


def image_block(source: Source, settings: DataSettings, stats: Stats) -> DataBlock:
    """Items of `source` to normalised batches; on its own it reads every image each time.

    Args:
        source: an opened source.
        settings: how its images become batches.
        stats: mean and deviation of the training images.
    """
    fill = tuple(round(255 * m) for m in stats.mean)  # 0 after normalisation
    images = TransformBlock(
        type_tfms=OpenImage(settings.size),
        item_tfms=SquareTensor(settings.size),
        batch_tfms=NormalizeBytes(stats),
        dl_type=BatchDL,
        dls_kwargs={"pipeline": train_pipeline(settings, fill), "seed": settings.seed},
    )
    block = DataBlock(
        blocks=(images, CategoryBlock(vocab=source.classes, sort=False)),
        get_items=_items,
        splitter=partial(_split, len(source.train)),
        get_y=label_of,
    )
    # fastai gives every block its `ToTensor`; `SquareTensor` says why it is left out
    block.default_item_tfms = block.default_item_tfms.filter(lambda t: not isinstance(t, ToTensor))
    return block.new()


def image_dls(
    source: Data, recipe: DataRecipe, stats: Stats | None = None, device: torch.device | None = None
) -> ImageLoaders:
    """Loaders of a source, ready to train on.

    Args:
        source: see `open_source`.
        recipe: a `Recipe`, or whatever else knows its `data_settings`.
        stats, device: see `image_loaders`.

    Raises:
        DataError: data that cannot be found, fetched or used.
    """
    opened = open_source(source, recipe.seed, recipe.limit, recipe.holdout, recipe.skip_bad)
    return image_loaders(opened, recipe.data_settings(opened), stats, device)


def image_loaders(
    source: Source, settings: DataSettings, stats: Stats | None = None, device: torch.device | None = None
) -> ImageLoaders:
    """Loaders of an opened source. One without training images shows its validation images in both loaders.

    Args:
        source: an opened source.
        settings: how its images become batches.
        stats: what a trained model was normalised with; without them they come from the training images.
        device: where the batches are to be; without it fastai's default device.

    Raises:
        DataError: an image that cannot be read, named.
    """
    pixels = load_pixels(source, settings.size, settings.cache)
    if pixels is None and source.train:
        require_readable(_items(source), source.name, source.stamp)
    stats = stats or load_stats(source, settings.size, pixels)
    dls = image_block(source, settings, stats).dataloaders(
        source,
        bs=settings.batch_size,
        val_bs=2 * settings.batch_size,  # no gradients to keep
        num_workers=settings.workers,
        dl_kwargs=[{"store": s} for s in _stores(source, pixels)],
        device=device or default_device(),
    )
    return ImageLoaders(*dls.loaders, source=source, settings=settings, stats=stats, path=dls.path, device=dls.device)


def _items(source: Source) -> list[ImageItem]:
    return [*source.train, *source.valid]


def _split(n_train: int, items: Sequence[Any]) -> tuple[list[int], list[int]]:
    """Positions of the training and the validation items. fastai needs training items: without any, all are."""
    everything = list(range(len(items)))
    return everything[: n_train or None], everything[n_train:]


def _stores(source: Source, pixels: np.ndarray | None) -> list[Store | None]:
    if pixels is None:
        return [None, None]
    targets = targets_of(_items(source), source.classes)
    n = len(source.train)
    return [Store(pixels[: n or None], targets[: n or None]), Store(pixels[n:], targets[n:])]
