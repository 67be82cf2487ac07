"""The handwritten digits of scikit-learn as a folder of PNG files, a source that needs no download."""

from pathlib import Path

from data.common.files import filling
from data.sources.registry import Splits, Suits, source

IMAGE_SIDE = 16  # pixels; the original 8×8 are too small for a model that halves them three times


@source(
    "digits", suits=Suits(mirror="none", crop=1 / 16)
)  # digits fill the image: a border of 2 of 16 pixels would cut strokes off
def digits(data: str) -> Splits:
    """Returns the 1,797 images of handwritten digits that are included in scikit-learn.

    Args:
        data: `digits`.

    Source: Alpaydin and Kaynak 1998, the test set of the UCI collection of handwritten digits.
    """
    from data.decoding.listing import cached_splits
    from data.home import home_path

    return cached_splits(digits_folder(home_path("data")))


def digits_folder(home: Path) -> Path:
    """Returns the folder with one subfolder per digit, which is written into `home` on first use."""
    folder = home / f"digits-{IMAGE_SIDE}"
    if not folder.is_dir():
        with filling(folder) as draft:
            _write(draft)
    return folder


def _write(folder: Path) -> None:
    """Write the images as PNG files into class folders."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{i:04d}.png"
        path.parent.mkdir(exist_ok=True)
        grey = np.round(image * (255 / 16)).astype(np.uint8)  # 8×8; the values are from 0 to 16
        Image.fromarray(grey).resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BICUBIC).save(path)
