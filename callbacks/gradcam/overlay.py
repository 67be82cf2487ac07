"""A heatmap over its image, as one array of pixels for HTML pages."""

import numpy as np
from PIL import Image

from callbacks.gradcam.plots import colours_of, greyed, norm_of, smoothed

SIDE_PIXELS = 128  # height and width of the result


def overlaid(image: np.ndarray, heat: np.ndarray, end: float, signed: bool = False) -> np.ndarray:
    """Return an image in light grey with its heatmap over it, in the colours of `plot_panels`.

    Args:
        image: H×W×3, uint8.
        heat: heatmap in logits, H×W.
        end: value of the strongest colour in logits; the same for all maps that are compared.
        signed: whether the heatmap is a difference, which is shown in two colours.

    Returns:
        128×128×3, uint8.
    """
    shown = Image.fromarray(image).resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.NEAREST)
    grey = greyed(np.asarray(shown) / 255)
    wide = Image.fromarray(smoothed(np.asarray(heat, dtype=np.float32))).resize(
        (SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BILINEAR
    )
    colours = colours_of(signed)(norm_of(end, signed)(np.asarray(wide)))  # H×W×4
    opacity = colours[..., 3:]
    return np.round(255 * (grey * (1 - opacity) + colours[..., :3] * opacity)).astype(np.uint8)
