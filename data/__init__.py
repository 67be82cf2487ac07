"""Where images come from and how they reach the device: sources, decoded images, augmentation, loaders."""

import os
from typing import TYPE_CHECKING

from data.common.public import on_first_use

if TYPE_CHECKING:
    from data.block import image_block, image_dls
    from data.common.errors import DataError
    from data.loader import BatchDL
    from data.sources import Source, open_source

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network for news otherwise

_HOMES = {
    "BatchDL": "loader",
    "DataError": "common.errors",
    "Source": "sources",
    "image_block": "block",
    "image_dls": "block",
    "open_source": "sources",
}
__all__ = ["BatchDL", "DataError", "Source", "image_block", "image_dls", "open_source"]
__getattr__, __dir__ = on_first_use(__name__, _HOMES)
