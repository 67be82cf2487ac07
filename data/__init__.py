"""The data package: sources of images, decoding, augmentation, and loaders that put batches on the device."""

import os
from typing import TYPE_CHECKING

from data.common.public import on_first_use

if TYPE_CHECKING:
    from data.augmentation.transforms import BatchAlternatingMirror, BatchCrop, BatchCutout, BatchMirror, BatchTransform
    from data.block import ImageLoaders, image_block, image_dls, image_loaders
    from data.common.errors import DataError
    from data.decoding.cache import Stats
    from data.loading.loader import BatchDL
    from data.opening import Source, open_source, validation_source
    from data.settings import DataRecipe, DataSettings
    from data.sources.registry import source_names

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise importing it checks for updates over the network

_MODULES = {
    "BatchAlternatingMirror": "augmentation.transforms",
    "BatchCrop": "augmentation.transforms",
    "BatchCutout": "augmentation.transforms",
    "BatchDL": "loading.loader",
    "BatchMirror": "augmentation.transforms",
    "BatchTransform": "augmentation.transforms",
    "DataError": "common.errors",
    "DataRecipe": "settings",
    "DataSettings": "settings",
    "ImageLoaders": "block",
    "Source": "opening",
    "Stats": "decoding.cache",
    "image_block": "block",
    "image_dls": "block",
    "image_loaders": "block",
    "open_source": "opening",
    "source_names": "sources.registry",
    "validation_source": "opening",
}
__all__ = [
    "BatchAlternatingMirror",
    "BatchCrop",
    "BatchCutout",
    "BatchDL",
    "BatchMirror",
    "BatchTransform",
    "DataError",
    "DataRecipe",
    "DataSettings",
    "ImageLoaders",
    "Source",
    "Stats",
    "image_block",
    "image_dls",
    "image_loaders",
    "open_source",
    "source_names",
    "validation_source",
]
__getattr__, __dir__ = on_first_use(__name__, _MODULES)
