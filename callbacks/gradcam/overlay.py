"""A heatmap over its image, as pixels: for pages, where each image stands by itself."""

import numpy as np
from PIL import Image

from callbacks.gradcam.plots import colours_of, greyed, norm_of, smoothed

SIDE_PIXELS = 128  # pixels


def overlaid(image: np.ndarray, heat: np.ndarray, end: float, signed: bool = False) -> np.ndarray:
    """The image in light grey with the heat over it, 128×128×3, uint8, in the colours of `draw`.

    Args:
        image: H×W×3, uint8.
        heat: H×W, in logits.
        end: the evidence of the strongest colour, the same for all maps that are compared.
        signed: the heat is a difference, in two colours.
    """
    shown = Image.fromarray(image).resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.NEAREST)
    grey = greyed(np.asarray(shown) / 255)
    wide = Image.fromarray(smoothed(np.asarray(heat, dtype=np.float32))).resize(
        (SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BILINEAR
    )
    colours = colours_of(signed)(norm_of(end, signed)(np.asarray(wide)))  # H×W×4
    opacity = colours[..., 3:]
    return np.round(255 * (grey * (1 - opacity) + colours[..., :3] * opacity)).astype(np.uint8)
