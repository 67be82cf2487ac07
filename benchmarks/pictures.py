"""A folder of larger pictures made from CIFAR-10."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from data import open_source

SIDE, PER_CLASS = 128, 80  # pixels; pictures of training and validation together


def make_pictures(folder: Path) -> None:
    """Write pictures of 128 pixels in ten classes: a CIFAR-10 image, magnified three times, over a blurred one."""
    draw = np.random.default_rng(0)
    files = open_source("cifar10", limit=10 * PER_CLASS).train
    for i, file in enumerate(files):
        ground = files[draw.integers(len(files))].open().resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        ground = ground.filter(ImageFilter.GaussianBlur(8))
        thing = file.open().resize((96, 96), Image.Resampling.BICUBIC)
        ground.paste(thing, tuple(draw.integers(0, SIDE - 96, 2).tolist()))
        (folder / file.label).mkdir(parents=True, exist_ok=True)
        ground.save(folder / file.label / f"{i}.png")


def magnified(path: Path, side: int) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
