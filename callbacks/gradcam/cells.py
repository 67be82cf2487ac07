"""Cells: the squares of an image that are removed together in a test, and the fills that replace them.

Single pixels are too small: a model's output hardly changes without them, and a random set of pixels does not resemble
a heatmap.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

GRID_SIZE = 8  # rows and columns of cells in an image; at 32×32 pixels a cell has 4×4 pixels
FILL_NOISE_STD = 0.01  # standard deviation of the noise on the second fill, as in ROAD
MAX_BATCH_PIXELS = 2**16, 2**20  # pixels of a batch on a CPU and on an accelerator


def grid_of(xb: Tensor) -> tuple[int, int]:
    """Return the rows and columns of cells in images B×C×H×W: eight each, or fewer in images below 8 pixels."""
    return min(GRID_SIZE, xb.shape[2]), min(GRID_SIZE, xb.shape[3])


def to_cells(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the means of maps B×H×W over the cells, B×rows×columns."""
    return F.adaptive_avg_pool2d(maps[:, None], grid)[:, 0]


def to_pixels(cells: Tensor, xb: Tensor) -> Tensor:
    """Return the values of cells B×rows×columns at each pixel of images B×C×H×W, as B×1×H×W."""
    return F.interpolate(cells[:, None], size=xb.shape[2:], mode="nearest")


def to_map(cells: Tensor, xb: Tensor) -> Tensor:
    """Return the values of cells B×rows×columns as maps B×H×W of images B×C×H×W.

    All pixels of a cell have its value. Interpolation would change which cells are the largest.
    """
    return to_pixels(cells, xb)[:, 0]


def blurred(xb: Tensor) -> Tensor:
    """Return the first fill: blurred images B×C×H×W, in which each pixel is the mean of a square two cells wide.

    The image is mirrored at its border.
    """
    down, across = (min(n // g, n - 1) for n, g in zip(xb.shape[2:], grid_of(xb), strict=True))
    padded = F.pad(xb, (across, across, down, down), mode="reflect")
    return F.avg_pool2d(padded, (2 * down + 1, 2 * across + 1), stride=1)


def filled_from_neighbours(xb: Tensor, removed: Tensor, generator: torch.Generator) -> Tensor:
    """Return the second fill: each removed pixel is replaced by a mean of the nearest pixels that are kept, plus noise.

    Args:
        xb: images B×C×H×W.
        removed: B×1×H×W, 1 at removed pixels and 0 at others.
        generator: random generator on the CPU, for the noise.

    Source: a short form of the noisy linear imputation of ROAD, Rong et al. 2022, https://arxiv.org/abs/2202.00449.
    """
    kept = 1 - removed
    near = [max(n // g, 1) for n, g in zip(xb.shape[2:], grid_of(xb), strict=True)]  # one cell
    total, weight = xb * kept, kept
    filled, known = torch.zeros_like(xb), torch.zeros_like(kept)
    while True:
        total, weight = (_mean_around(values, near) for values in (total, weight))
        new = (weight > 0) & (known == 0)
        filled = torch.where(new, total / weight.clamp(min=1e-12), filled)
        known = known + new
        if known.all() or not kept.any():
            break
    noise = FILL_NOISE_STD * torch.randn(xb.shape, generator=generator).to(xb)
    return torch.where(removed > 0, filled + noise, xb)


def _mean_around(values: Tensor, near: list[int]) -> Tensor:
    size = [2 * n + 1 for n in near]
    return F.avg_pool2d(values, size, stride=1, padding=near, count_include_pad=True)


def batch_size_for(xb: Tensor) -> int:
    """Return the number of images of the size of `xb` (B×C×H×W) for one forward pass."""
    pixels = MAX_BATCH_PIXELS[xb.device.type != "cpu"]
    return max(1, pixels // (xb.shape[2] * xb.shape[3]))
