"""Bytes to normalised floats."""

import torch
from torch import Tensor


def normalised(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Images as the model gets them: N×C×H×W, float32, in the memory of N×H×W×C.

    Args:
        pixels: N×H×W×C, uint8.
        mean, std: of each channel, as fractions of 255.
    """
    width = pixels.shape[2]
    scale, shift = (1 / (255 * std)).repeat(width), (-mean / std).repeat(width)
    rows = pixels.flatten(2).float()  # N×H×WC: a CPU is slow to broadcast over three channels
    torch.addcmul(shift, rows, scale, out=rows)
    return rows.view(pixels.shape).permute(0, 3, 1, 2)
