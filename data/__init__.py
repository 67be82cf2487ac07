"""Where images come from and how they reach the device: sources, decoded cache, augmentation, loader."""

import os
from importlib import import_module

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network for news otherwise

_HOMES = {
    "BatchDL": "loader",
    "DataError": "errors",
    "Source": "sources",
    "image_block": "block",
    "image_dls": "block",
    "open_source": "sources",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str):
    """Import a public name on first use: the errors must not wait for fastai."""
    if name not in _HOMES:
        raise AttributeError(f"module 'data' has no attribute {name!r}")
    return getattr(import_module(f"data.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return __all__
