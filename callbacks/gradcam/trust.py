"""How far a heatmap can be trusted: what the model loses with the top of the map, compared with controls.

The top fifth of the map's cells is blurred, and the margin of the class falls by `drop` logits. Controls are areas of
the same size and shape: the same cells, shifted around or mirrored, and the top fifths of other images' maps, mirrored
or not. Random pixels would be too easy a control for a smooth map, and a spot in the middle is too hard a rival for the
mean (https://arxiv.org/abs/2304.13836). The share of controls that lower the margin as much is the p-value: of a map
that has nothing to do with the model it is below 0.05 in 5% of the cases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from callbacks.gradcam.cells import batch_size_for, blurred, filled_from_neighbours, grid_of, to_cells, to_pixels
from callbacks.gradcam.layers import plain_model
from callbacks.gradcam.maps import untouched
from callbacks.gradcam.question import margin

TOP_SHARE = 0.2  # of the cells: what is taken away
MAX_CONTROLS = 99
SIGNIFICANCE_LEVEL = 0.05
CONTROLS_PER_ROUND = 3  # controls of an image that are tried in one go: few, because most bad maps fail early


@dataclass(frozen=True)
class Trust:
    """Of one map.

    Attributes:
        drop: what the margin of the class loses, in logits, when the top fifth of the map is blurred.
        as_much: how many controls lower it as much.
        controls: how many were tried: 99, or fewer if `as_much` came to five before, when p is above 0.05 for certain.
        p: the p-value: (r+1)/100 of 99 controls, r/n where the test ended early (Besag and Clifford 1991).
        agrees: filled from noisy neighbours instead of blurred, the top fifth changes the margin in the same direction.
    """

    drop: float
    as_much: int
    controls: int
    p: float
    agrees: bool

    @property
    def passed(self) -> bool:
        return self.p <= SIGNIFICANCE_LEVEL


def measure_trust(
    model: nn.Module,
    xb: Tensor,
    maps: Tensor,
    targets: Tensor | Sequence[int],
    seed: int = 0,
    controls: int = MAX_CONTROLS,
) -> list[Trust]:
    """Try the maps B×H×W of images B×C×H×W, each for one class.

    Args:
        maps: each image's controls come from all of these, so there should be several.
        seed: fixes the choice of controls and the noise.
        controls: for each map, at the most.
    """
    xb = xb.as_subclass(Tensor)
    targets = torch.as_tensor(targets, device=xb.device).as_subclass(Tensor).long()
    generator = torch.Generator().manual_seed(seed)
    tops = top_cells(to_cells(maps.float().cpu(), grid_of(xb)))  # B×rows×columns
    areas = torch.stack([_controls(tops, i, controls, generator) for i in range(len(tops))])  # B×99×rows×columns
    net = plain_model(model)
    with untouched(net, xb.device), torch.no_grad():
        drops = _MarginDrops(net, xb, targets)
        own = drops(torch.arange(len(xb)), tops)
        second = drops.with_neighbours(tops, generator)
        tried = _test_controls(drops, own, areas)
    agrees = ((own > 0) == (second > 0)).tolist()
    return [Trust(d, *counts, a) for d, counts, a in zip(own.tolist(), tried, agrees, strict=True)]


def top_cells(cells: Tensor) -> Tensor:
    """1 for the fifth of the cells with the highest values, 0 for the others; both N×rows×columns."""
    flat = cells.flatten(1)
    top = flat.topk(max(1, round(TOP_SHARE * flat.shape[1])), 1).indices
    return torch.zeros_like(flat).scatter(1, top, 1.0).view_as(cells)


def _controls(tops: Tensor, i: int, count: int, generator: torch.Generator) -> Tensor:
    """Areas to compare with map i, in random order: half of them from other images where there are enough."""
    others = torch.cat([tops[:i], tops[i + 1 :]])
    others = _sample(torch.cat([others, others.flip(2)]), count // 2, generator)
    moved = torch.stack(list(_shifted_areas(tops[i])))
    copies = -(-(count - len(others)) // len(moved))  # of a coarse grid all places may have to serve twice
    moved = _sample(moved.repeat(copies, 1, 1), count - len(others), generator)
    return _sample(torch.cat([others, moved]), count, generator)


def _sample(areas: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return areas[torch.randperm(len(areas), generator=generator)[:count]]


def _shifted_areas(top: Tensor) -> Iterator[Tensor]:
    """All the places of an area, and of its mirror image, that wrap around the border; its own place is left out."""
    rows, columns = top.shape
    for shape in (top, top.flip(1)):
        for down in range(rows):
            for across in range(columns):
                if shape is not top or down or across:
                    yield torch.roll(shape, (down, across), (0, 1))


class _MarginDrops:
    """What the margins of images lose when cells are taken away, in logits, on the CPU."""

    def __init__(self, net: nn.Module, xb: Tensor, targets: Tensor) -> None:
        self.net, self.xb, self.targets = net, xb, targets
        self.fill = blurred(xb)
        self.whole = self._margins(xb)

    def __call__(self, at: Tensor, cells: Tensor) -> Tensor:
        """Of the images `at`, N numbers, with cells N×rows×columns blurred: N drops."""
        parts = []
        for some, areas in zip(at.split(batch_size_for(self.xb)), cells.split(batch_size_for(self.xb)), strict=True):
            i = some.to(self.xb.device)
            removed = to_pixels(areas.to(self.xb), self.xb)  # n×1×H×W
            logits = self.net(torch.lerp(self.xb[i], self.fill[i], removed))
            parts.append(self.whole[some] - margin(logits, self.targets[i]).cpu())
        return torch.cat(parts)

    def with_neighbours(self, cells: Tensor, generator: torch.Generator) -> Tensor:
        """Of all images, with their cells filled from noisy neighbours."""
        return self.whole - self._margins(
            filled_from_neighbours(self.xb, to_pixels(cells.to(self.xb), self.xb), generator)
        )

    def _margins(self, xb: Tensor) -> Tensor:
        batches = zip(xb.split(batch_size_for(xb)), self.targets.split(batch_size_for(xb)), strict=True)
        return torch.cat([margin(self.net(some), wanted).cpu() for some, wanted in batches])


def _test_controls(drops: _MarginDrops, own: Tensor, controls: Tensor) -> list[tuple[int, int, float]]:
    """Of each image, how many controls lower the margin as much, how many were tried, and the p-value."""
    count = controls.shape[1]
    enough = int(SIGNIFICANCE_LEVEL * (count + 1) + 1e-9)
    hits = torch.zeros(controls.shape[:2], dtype=torch.long)
    for tried in range(0, count, CONTROLS_PER_ROUND):
        going = (hits.sum(1) < enough).nonzero()[:, 0]
        if not len(going):
            break
        some = controls[going, tried : tried + CONTROLS_PER_ROUND]  # N×up to 3×rows×columns
        at = going.repeat_interleave(some.shape[1])
        as_much = drops(at, some.flatten(0, 1)) >= own[at]
        hits[going, tried : tried + CONTROLS_PER_ROUND] = as_much.view(some.shape[:2]).long()
    return [_counts(row, enough) for row in hits]


def _counts(hits: Tensor, enough: int) -> tuple[int, int, float]:
    """Hits, tries and p-value; tries end with the last hit that was needed, though others ran beside it."""
    reached = (hits.cumsum(0) >= enough).nonzero()
    if len(reached):
        tries = int(reached[0]) + 1
        return enough, tries, enough / tries
    return int(hits.sum()), len(hits), (int(hits.sum()) + 1) / (len(hits) + 1)
