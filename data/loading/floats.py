"""Convert uint8 images to normalised floats."""

import torch
from torch import Tensor


def normalised(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Returns the images as the model takes them: N×C×H×W, float32, in channels-last memory format.

    Args:
        pixels: N×H×W×C, uint8.
        mean: C, mean of each channel, as a fraction of 255.
        std: C, standard deviation of each channel, as a fraction of 255.
    """
    width = pixels.shape[2]
    scale, shift = (1 / (255 * std)).repeat(width), (-mean / std).repeat(width)
    rows = pixels.flatten(2).float()  # N×H×WC, because broadcasting over only three channels is slow on a CPU
    torch.addcmul(shift, rows, scale, out=rows)
    return rows.view(pixels.shape).permute(0, 3, 1, 2)
