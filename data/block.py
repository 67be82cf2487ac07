"""The `DataBlock` of the project, and the `DataLoaders` built from it."""

from pathlib import Path

import numpy as np
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import IndexSplitter, parent_label
from fastai.torch_core import default_device

from data.cache import Stats, load_pixels, load_stats
from data.images import FitSquare, open_image
from data.loader import BatchDL
from data.normalize import NormalizeBytes
from data.pipelines import train_pipeline
from data.settings import DataSettings
from data.sources import Source, open_source
from data.store import Store, targets_of


def image_block(source: Source, recipe, stats: Stats) -> DataBlock:
    """Paths to normalised batches, for `source`; on its own it reads every image from its file.

    Args:
        source: an opened source.
        recipe: resolved.
        stats: mean and deviation of the training images.
    """
    fill = tuple(round(255 * m) for m in stats.mean)  # 0 after normalisation
    images = TransformBlock(
        type_tfms=open_image,
        item_tfms=FitSquare(recipe.size),
        batch_tfms=NormalizeBytes(stats),
        dl_type=BatchDL,
        dls_kwargs={"pipeline": train_pipeline(recipe, fill), "seed": recipe.seed},
    )
    held_out = range(len(source.train_files), len(source.train_files) + len(source.valid_files))
    return DataBlock(
        blocks=(images, CategoryBlock(vocab=source.classes)),
        get_items=_files,
        splitter=IndexSplitter(list(held_out)),
        get_y=_label,
    )


class ImageLoaders(DataLoaders):
    source: Source
    settings: DataSettings
    stats: Stats


def image_loaders(source: Source, settings: DataSettings, stats: Stats | None = None, device=None) -> ImageLoaders:
    pixels = load_pixels(source, settings.size, settings.cache)
    stats = stats or load_stats(source, settings.size, pixels)
    device = device or default_device()
    dls = image_block(source, settings, stats).dataloaders(
        source,
        bs=settings.batch_size,
        val_bs=2 * settings.batch_size,  # no gradients to keep
        num_workers=settings.workers,
        dl_kwargs=[{"store": s} for s in _stores(source, pixels)],
        device=device,
    )
    dls = ImageLoaders(*dls.loaders, path=dls.path, device=device)
    dls.source, dls.settings, dls.stats = source, settings, stats
    return dls


def image_dls(source, recipe, stats: Stats | None = None) -> ImageLoaders:
    opened = open_source(source, recipe.seed, recipe.limit, recipe.holdout)
    return image_loaders(opened, recipe.data_settings(opened), stats)


def _files(source: Source) -> list[Path]:
    return [*source.train_files, *source.valid_files]


def _label(o):
    return o.label if hasattr(o, 'label') else parent_label(o)


def _stores(source: Source, pixels: np.ndarray | None) -> list[Store | None]:
    if pixels is None:
        return [None, None]
    targets = targets_of([*source.train_files, *source.valid_files], source.classes)
    n = len(source.train_files)
    return [Store(pixels[:n], targets[:n]), Store(pixels[n:], targets[n:])]
