"""Images whose evidence is known: the class is the colour of a patch, and a second patch is a distractor."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE, CELL, PATCH = 32, 4, 8  # pixels; the patch covers 2×2 of 8×8 cells
COLOURS = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])


class Planted(NamedTuple):
    """Images N×3×32×32, their classes, and the pixels of the patch, N×32×32."""

    xb: Tensor
    yb: Tensor
    patch: Tensor


def planted(count: int, seed: int) -> Planted:
    """Grey noise with a patch in the colour of the class and a white patch without information, at random cells."""
    draw = torch.Generator().manual_seed(seed)
    xb = 0.5 + 0.1 * torch.randn(count, 1, SIDE, SIDE, generator=draw).expand(-1, 3, -1, -1).clone()
    yb = torch.randint(len(COLOURS), (count,), generator=draw)
    patch = torch.zeros(count, SIDE, SIDE)
    for i in range(count):
        corners = _corner(draw), _corner(draw)
        while max(abs(a - b) for a, b in zip(*corners, strict=True)) < PATCH:
            corners = _corner(draw), _corner(draw)
        for (row, column), colour in zip(corners, (torch.ones(3), COLOURS[yb[i]]), strict=True):
            xb[i, :, row : row + PATCH, column : column + PATCH] = colour[:, None, None]
        patch[i, row : row + PATCH, column : column + PATCH] = 1
    return Planted(xb, yb, patch)


def _corner(draw: torch.Generator) -> tuple[int, int]:
    return tuple((CELL * torch.randint((SIDE - PATCH) // CELL + 1, (2,), generator=draw)).tolist())


def trained_on(xb: Tensor, yb: Tensor, steps: int = 120, seed: int = 0) -> nn.Module:
    """A small model after some steps of Adam."""
    torch.manual_seed(seed)
    layers = []
    for n_in, n_out in ((3, 16), (16, 32)):
        layers += [nn.Conv2d(n_in, n_out, 3, 2, 1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, len(COLOURS)))
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(steps):
        at = torch.arange(64 * step, 64 * (step + 1)) % len(xb)
        optimizer.zero_grad()
        F.cross_entropy(net(xb[at]), yb[at]).backward()
        optimizer.step()
    return net.eval()
