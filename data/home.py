"""Find the folders of fastai without importing fastai."""

import os
from pathlib import Path

from fastcore.xtras import Config

FOLDERS = {"data": "data", "archive": "archive", "storage": "tmp", "model": "models"}  # contents of a new config.ini


def home_path(folder: str) -> Path:
    """Returns the folder that fastai's `config.ini` sets for `data` or `archive`, as `fastai_path` does."""
    return Config(Path(os.getenv("FASTAI_HOME", "~/.fastai")), "config.ini", create=FOLDERS).path(folder)
