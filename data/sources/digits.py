"""scikit-learn's handwritten digits as a folder of PNG files: a data set that needs no network."""

from pathlib import Path

from data.common.files import filling
from data.sources.registry import Splits, Suits, source

IMAGE_SIDE = 16  # pixels; the originals are 8×8, too small for a net that halves them three times


@source("digits", suits=Suits(mirror="none", crop=1 / 16))  # they fill their frame: two pixels of 16 cut strokes off
def digits(data: str) -> Splits:
    """The UCI test set of Alpaydin and Kaynak 1998, 1,797 images, as shipped with scikit-learn."""
    from data.home import home_path
    from data.listing import cached_splits

    return cached_splits(digits_folder(home_path("data")))


def digits_folder(home: Path) -> Path:
    """The folder of digit classes in `home`, written on first use."""
    folder = home / f"digits-{IMAGE_SIDE}"
    if not folder.is_dir():
        with filling(folder) as draft:
            _write(draft)
    return folder


def _write(folder: Path) -> None:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{i:04d}.png"
        path.parent.mkdir(exist_ok=True)
        grey = np.round(image * (255 / 16)).astype(np.uint8)  # 8×8, from 0…16
        Image.fromarray(grey).resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BICUBIC).save(path)
