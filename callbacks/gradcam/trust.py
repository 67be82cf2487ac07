"""A test whether removing the strongest cells of a heatmap lowers the margin more than removing other cells.

The fifth of the cells with the highest values is blurred, which lowers the margin of the class by `drop` logits.
Controls are other areas of the same size: the same cells, shifted or mirrored, and the top fifths of other images'
maps, mirrored or not. Random pixels would be too weak a control for a smooth map, and a spot in the middle of the image
would be too strong a control for the mean (https://arxiv.org/abs/2304.13836). The p-value is the share of controls that
lower the margin at least as much. For a map that does not depend on the model, p ≤ 0.05 in 5% of the cases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from callbacks.gradcam.cells import batch_size_for, blurred, filled_from_neighbours, grid_of, to_cells, to_pixels
from callbacks.gradcam.layers import plain_model
from callbacks.gradcam.maps import untouched
from callbacks.gradcam.question import margin

TOP_SHARE = 0.2  # share of the cells that is removed
MAX_CONTROLS = 99  # controls per map
SIGNIFICANCE_LEVEL = 0.05  # largest p-value of a map that passes
CONTROLS_PER_ROUND = 3  # controls per image in one batch; few, because most bad maps fail early


@dataclass(frozen=True)
class Trust:
    """The test result of a heatmap.

    Attributes:
        drop: fall of the class's margin, in logits, when the top fifth of the map is blurred.
        as_much: number of controls that lower the margin at least as much.
        controls: number of controls tried: 99, or fewer if the test ended early because `as_much` had reached 5.
        p: p-value: (as_much + 1) / 100 after 99 controls, as_much / controls if the test ended early.
        agrees: whether the margin changes in the same direction if the top fifth is replaced by means of nearby pixels
            instead of blurred.

    Source of the early end: Besag and Clifford 1991.
    """

    drop: float
    as_much: int
    controls: int
    p: float
    agrees: bool

    @property
    def passed(self) -> bool:
        """Whether p ≤ 0.05."""
        return self.p <= SIGNIFICANCE_LEVEL


def measure_trust(
    model: nn.Module,
    xb: Tensor,
    maps: Tensor,
    targets: Tensor | Sequence[int],
    seed: int = 0,
    controls: int = MAX_CONTROLS,
) -> list[Trust]:
    """Test heatmaps, each for one class.

    Args:
        model: model from images to logits.
        xb: images B×C×H×W.
        maps: heatmaps B×H×W. Controls of each map are also taken from the others, so there should be several.
        targets: class that each map explains, B numbers.
        seed: seed of the choice of controls and of the noise.
        controls: largest number of controls per map.
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
    """Return 1 for the fifth of the cells with the highest values and 0 for the others; both N×rows×columns."""
    flat = cells.flatten(1)
    top = flat.topk(max(1, round(TOP_SHARE * flat.shape[1])), 1).indices
    return torch.zeros_like(flat).scatter(1, top, 1.0).view_as(cells)


def _controls(tops: Tensor, i: int, count: int, generator: torch.Generator) -> Tensor:
    """Return control areas for map i in random order, half of them from other images if there are enough."""
    others = torch.cat([tops[:i], tops[i + 1 :]])
    others = _sample(torch.cat([others, others.flip(2)]), count // 2, generator)
    moved = torch.stack(list(_shifted_areas(tops[i])))
    copies = -(-(count - len(others)) // len(moved))  # a coarse grid has so few shifts that they must be used again
    moved = _sample(moved.repeat(copies, 1, 1), count - len(others), generator)
    return _sample(torch.cat([others, moved]), count, generator)


def _sample(areas: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return areas[torch.randperm(len(areas), generator=generator)[:count]]


def _shifted_areas(top: Tensor) -> Iterator[Tensor]:
    """Yield an area and its mirror image with all shifts (which wrap around the border), except the unshifted area."""
    rows, columns = top.shape
    for shape in (top, top.flip(1)):
        for down in range(rows):
            for across in range(columns):
                if shape is not top or down or across:
                    yield torch.roll(shape, (down, across), (0, 1))


class _MarginDrops:
    """Computes by how many logits the margins of images fall when cells are removed; the results are on the CPU."""

    def __init__(self, net: nn.Module, xb: Tensor, targets: Tensor) -> None:
        self.net, self.xb, self.targets = net, xb, targets
        self.fill = blurred(xb)
        self.whole = self._margins(xb)

    def __call__(self, at: Tensor, cells: Tensor) -> Tensor:
        """Return the falls of N margins.

        Args:
            at: indices of the images, N.
            cells: 1 at blurred cells and 0 at others, N×rows×columns.
        """
        parts = []
        for some, areas in zip(at.split(batch_size_for(self.xb)), cells.split(batch_size_for(self.xb)), strict=True):
            i = some.to(self.xb.device)
            removed = to_pixels(areas.to(self.xb), self.xb)  # n×1×H×W
            logits = self.net(torch.lerp(self.xb[i], self.fill[i], removed))
            parts.append(self.whole[some] - margin(logits, self.targets[i]).cpu())
        return torch.cat(parts)

    def with_neighbours(self, cells: Tensor, generator: torch.Generator) -> Tensor:
        """Return the falls of the margins of all images with their cells replaced by means of nearby pixels."""
        return self.whole - self._margins(
            filled_from_neighbours(self.xb, to_pixels(cells.to(self.xb), self.xb), generator)
        )

    def _margins(self, xb: Tensor) -> Tensor:
        batches = zip(xb.split(batch_size_for(xb)), self.targets.split(batch_size_for(xb)), strict=True)
        return torch.cat([margin(self.net(some), wanted).cpu() for some, wanted in batches])


def _test_controls(drops: _MarginDrops, own: Tensor, controls: Tensor) -> list[tuple[int, int, float]]:
    """Return for each image how many controls lower the margin as much, how many were tried, and the p-value.

    Args:
        drops: computes the falls of margins.
        own: fall of each image's margin without its top cells, B.
        controls: control areas, B×controls×rows×columns.
    """
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
    """Return the number of hits, the number of controls and the p-value of an image.

    Controls after the last hit that was needed do not count, although they were computed in the same batch.
    """
    reached = (hits.cumsum(0) >= enough).nonzero()
    if len(reached):
        tries = int(reached[0]) + 1
        return enough, tries, enough / tries
    return int(hits.sum()), len(hits), (int(hits.sum()) + 1) / (len(hits) + 1)
