"""Build the fastai `DataBlock` of a source and the `DataLoaders` from it."""

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
from PIL import Image

from data.augmentation.pipelines import train_pipeline
from data.common.errors import DataError
from data.decoding.cache import Stats, load_pixels, load_stats
from data.decoding.readable import require_readable
from data.items import ImageItem, label_of
from data.loading.image_transforms import OpenImage, SquareTensor
from data.loading.loader import BatchDL
from data.loading.normalize import NormalizeBytes
from data.loading.store import Store, targets_of
from data.opening import Data, Source, open_source
from data.settings import DataRecipe, DataSettings

MAX_CLASSES_NAMED = 10  # classes that an error message lists


class ImageLoaders(DataLoaders):
    """The training and validation loaders of a source, with the values that they were built from.

    Attributes:
        source: the opened source; `learn.export` writes it without its images.
        settings: size, batch size, augmentation and workers.
        stats: mean and standard deviation for the normalisation.
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
        """Returns the same loaders without images, for the export of a learner."""
        empty = [dl.new(dl.dataset.new_empty()) for dl in self.loaders]
        known: dict[str, Any] = {"settings": self.settings, "stats": self.stats}
        return type(self)(*empty, source=self.source.without_images(), path=self.path, device=self.device, **known)

    def test_dl(
        self, test_items: Sequence[Any], rm_type_tfms: Any = None, with_labels: bool = False, **kwargs: Any
    ) -> BatchDL:
        """Returns a loader of other images, which are loaded like validation images.

        Args:
            test_items: a list of images, each of a kind that `open_image` accepts.
            rm_type_tfms: number of leading type transforms to skip, because the items have passed them already.
            with_labels: load the labels as well; the items are then items of a source, or paths in class folders.
            kwargs: further arguments of the loader, such as `bs`.

        Raises:
            DataError: `test_items` is not a list of images, or an item has no label among the classes of the model.
        """
        if isinstance(test_items, str | bytes | Image.Image | Path) or hasattr(test_items, "label"):
            raise DataError("test_dl takes a list of images, not a single image; put the image into a list")
        if not len(test_items):
            raise DataError("test_dl got an empty list; give at least one image")
        for item in test_items if with_labels else ():
            _check_label(item, self.vocab)
        return super().test_dl(test_items, rm_type_tfms, with_labels, **kwargs)


def image_block(source: Source, settings: DataSettings, stats: Stats) -> DataBlock:
    """Returns the `DataBlock` that turns the items of a source into normalised batches.

    Loaders built from it alone decode every image again in each epoch; `image_loaders` adds the decoded images.

    Args:
        source: an opened source.
        settings: size, augmentation and seed.
        stats: mean and standard deviation of the training images.
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
    # fastai adds `ToTensor` to every block; the docstring of `SquareTensor` explains why it is removed
    block.default_item_tfms = block.default_item_tfms.filter(lambda t: not isinstance(t, ToTensor))
    return block.new()


def image_dls(
    source: Data, recipe: DataRecipe, stats: Stats | None = None, device: torch.device | None = None
) -> ImageLoaders:
    """Open a source and return its training and validation loaders.

    Args:
        source: see `open_source`.
        recipe: a `Recipe`, or another object with the fields of `DataRecipe`.
        stats: see `image_loaders`.
        device: see `image_loaders`.

    Raises:
        DataError: the data cannot be found, downloaded or used.
    """
    opened = open_source(source, recipe.seed, recipe.limit, recipe.holdout, recipe.skip_bad)
    return image_loaders(opened, recipe.data_settings(opened), stats, device)


def image_loaders(
    source: Source, settings: DataSettings, stats: Stats | None = None, device: torch.device | None = None
) -> ImageLoaders:
    """Returns the training and validation loaders of an opened source.

    If the source has no training images, both loaders contain its validation images.

    Args:
        source: an opened source.
        settings: size, batch size, augmentation and workers.
        stats: mean and standard deviation for the normalisation, as those of a trained model; None computes them from
            the training images.
        device: device of the batches; None is fastai's default device.

    Raises:
        DataError: an image cannot be read; the message names it.
    """
    pixels = load_pixels(source, settings.size, settings.cache)
    if pixels is None and source.train:
        require_readable(_items(source), source.name, source.stamp)
    stats = stats or load_stats(source, settings.size, pixels)
    dls = image_block(source, settings, stats).dataloaders(
        source,
        bs=settings.batch_size,
        val_bs=2 * settings.batch_size,  # validation stores no gradients, so a larger batch fits
        num_workers=settings.workers,
        dl_kwargs=[{"store": s} for s in _stores(source, pixels)],
        device=device or default_device(),
    )
    return ImageLoaders(*dls.loaders, source=source, settings=settings, stats=stats, path=dls.path, device=dls.device)


def _check_label(item: object, classes: Sequence[str]) -> None:
    """Raise a `DataError` if the label of `item` is not one of `classes`."""
    if not isinstance(item, str | Path) and not hasattr(item, "label"):
        raise DataError(
            f"{type(item).__name__}: the item has no label; give paths in class folders, or omit with_labels"
        )
    if label_of(item) not in classes:
        known = ", ".join(map(str, classes[:MAX_CLASSES_NAMED])) + (", …" if len(classes) > MAX_CLASSES_NAMED else "")
        raise DataError(f"{item}: its label {label_of(item)!r} is not a class of the model; the classes are {known}")


def _items(source: Source) -> list[ImageItem]:
    """Returns all images, training images first."""
    return [*source.train, *source.valid]


def _split(n_train: int, items: Sequence[Any]) -> tuple[list[int], list[int]]:
    """Returns the indices of the training and of the validation items.

    fastai requires training items, so if there are none, the validation items are used as both.
    """
    everything = list(range(len(items)))
    return everything[: n_train or None], everything[n_train:]


def _stores(source: Source, pixels: np.ndarray | None) -> list[Store | None]:
    """Returns the decoded images of the training and of the validation split; None if they are not kept."""
    if pixels is None:
        return [None, None]
    targets = targets_of(_items(source), source.classes)
    n = len(source.train)
    return [Store(pixels[: n or None], targets[: n or None]), Store(pixels[n:], targets[n:])]
