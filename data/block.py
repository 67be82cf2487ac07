"""The `DataBlock` of the project, and the `DataLoaders` built from it."""

from pathlib import Path

import numpy as np
import torch
from fastai.data.block import CategoryBlock, DataBlock, TransformBlock
from fastai.data.core import DataLoaders
from fastai.data.transforms import IndexSplitter, parent_label
from fastai.torch_core import default_device

from data.cache import Stats, load_pixels, load_stats
from data.images import FitSquare, open_image
from data.loader import BatchDL
from data.normalize import NormalizeBytes
from data.pipelines import train_pipeline
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
        get_y=parent_label,
    )


def image_dls(source: str | Path | Source, recipe, stats: Stats | None = None) -> DataLoaders:
    """Loaders of a source, ready to train on.

    Args:
        source: digits, cifar10, cifar100, a folder, or an opened source.
        recipe: a `Recipe`; its open fields are filled from the data.
        stats: what a trained model was normalised with; without them they come from the training images.

    Returns:
        `DataLoaders` with `source`, the resolved `recipe` and `stats` beside fastai's attributes.

    Raises:
        DataError: data that cannot be found, fetched or used.
    """
    source = open_source(source, recipe.seed, recipe.limit, recipe.holdout)
    recipe = recipe.resolve(images=len(source.train_files), size=source.size, mirror=source.mirror, crop=source.crop)
    pixels = load_pixels(source, recipe.size, recipe.cache)
    stats = stats or load_stats(source, recipe.size, pixels)
    device = default_device() if recipe.device == "auto" else torch.device(recipe.device)
    dls = image_block(source, recipe, stats).dataloaders(
        source,
        bs=recipe.batch_size,
        val_bs=2 * recipe.batch_size,  # no gradients to keep
        num_workers=recipe.workers,
        dl_kwargs=[{"store": s} for s in _stores(source, pixels)],
        device=device,
    )
    dls.source, dls.recipe, dls.stats = source, recipe, stats
    return dls


def _files(source: Source) -> list[Path]:
    return [*source.train, *source.valid]


def _stores(source: Source, pixels: np.ndarray | None) -> list[Store | None]:
    if pixels is None:
        return [None, None]
    targets = targets_of([*source.train_files, *source.valid_files], source.classes)
    n = len(source.train_files)
    return [Store(pixels[:n], targets[:n]), Store(pixels[n:], targets[n:])]
