"""scikit-learn's handwritten digits as a folder of PNG files: a data set that needs no network."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 16  # pixels; the originals are 8×8, too small for a net that halves them three times


def digits_folder(home: Path) -> Path:
    """The folder of digit classes in `home`, written on first use.

    Source: the UCI test set of Alpaydin and Kaynak 1998, 1,797 images, as shipped with scikit-learn.
    """
    folder = home / f"digits-{SIDE}"
    if not folder.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix=".digits-") as scratch:
            written = _write(Path(scratch) / "digits")
            try:
                os.rename(written, folder)
            except OSError:
                if not folder.is_dir():  # otherwise another process was first, with the same files
                    raise
    return folder


def _write(folder: Path) -> Path:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.round(image * (255 / 16)).astype(np.uint8)  # 8×8, from 0…16
        Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)
    return folder
