"""Pictures for the tests of `check`."""

import numpy as np
from PIL import Image


def picture(seed, side=48):
    """Returns a picture of soft coloured shapes, which depend on the seed."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
