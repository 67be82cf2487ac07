"""fastai's directories, without an import of fastai."""

import os
from pathlib import Path

from fastcore.xtras import Config

FOLDERS = {"data": "data", "archive": "archive", "storage": "tmp", "model": "models"}  # of a new config.ini


def home_path(folder: str) -> Path:
    """The directory that fastai's `config.ini` names for `data` or `archive`; the same as its `fastai_path`."""
    return Config(Path(os.getenv("FASTAI_HOME", "~/.fastai")), "config.ini", create=FOLDERS).path(folder)
