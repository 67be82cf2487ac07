"""Whether a heatmap is to be trusted: does the model follow what the map says matters?

Insertion and deletion (Petsiuk et al. 2018, https://arxiv.org/abs/1806.07421): pixels are shown, or taken away, in the
order of the map, and the probability of the class is averaged on the way. A faithful map makes it rise early and fall
early. Pixels that are not shown are those of a heavily blurred copy, which holds no edge that the image lacks. Each map
has two rivals of the same mass, made of its own values: itself shifted around to random places, which keeps its
smoothness, and the same values laid out from the centre, where photographs have their subject.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from callbacks.gradcam.layers import plain_model
from callbacks.gradcam.maps import untouched

STEPS = 8  # parts of the image that are shown or taken away one after the other
SHIFTS = 3  # random rivals of a map
BLUR = 1 / 6  # of the shorter side: the deviation of the blur


@dataclass(frozen=True)
class Faithfulness:
    """Figures of B maps, each a tensor of B; probabilities of the class, averaged over a curve.

    `score` is insertion less deletion, from -1 to 1; the rivals' are `random` (a mean of several) and `centre`.
    """

    insertion: Tensor
    deletion: Tensor
    random: Tensor
    centre: Tensor

    @property
    def score(self) -> Tensor:
        return self.insertion - self.deletion

    @property
    def informative(self) -> Tensor:
        """Whether a map beats both rivals, B booleans."""
        return (self.score > self.random) & (self.score > self.centre)

    @classmethod
    def joined(cls, parts: Sequence["Faithfulness"]) -> "Faithfulness":
        """The figures of several batches as one."""
        names = [f.name for f in fields(cls)]
        return cls(*(torch.cat([torch.empty(0), *(getattr(part, n) for part in parts)]) for n in names))

    def first(self, k: int) -> "Faithfulness":
        return Faithfulness(*(getattr(self, f.name)[:k] for f in fields(self)))

    def summary(self) -> dict[str, float | int]:
        """Means over the maps, and the share of informative ones; of no maps, only their number."""
        if not len(self.score):
            return {"maps": 0}
        names = ("insertion", "deletion", "score", "random", "centre")
        means = {name: getattr(self, name).mean().item() for name in names}
        return {"maps": len(self.score), **means, "informative": self.informative.float().mean().item()}


def faithfulness(
    model: nn.Module, xb: Tensor, cams: Tensor, targets: Tensor | Sequence[int], seed: int = 0
) -> Faithfulness:
    """Measure maps B×H×W of images B×C×H×W for one class each.

    Args:
        seed: fixes the random rivals and the order of pixels of one value.

    Returns:
        `Faithfulness`, on the CPU.
    """
    xb, targets = xb.as_subclass(Tensor), torch.as_tensor(targets, device=xb.device).as_subclass(Tensor)
    draw = torch.Generator().manual_seed(seed)
    maps = cams.float().cpu()
    net = plain_model(model)
    with untouched(net, xb.device), torch.no_grad():
        follow = partial(_follow, xb, blur(xb), lambda shown: _probability(net, shown, targets))
        own = follow(_ranks(maps, draw))
        shifted = [follow(_ranks(_shifted(maps, draw), draw)).score for _ in range(SHIFTS)]
        centre = follow(_centre_ranks(maps)).score
    return Faithfulness(own.insertion, own.deletion, torch.stack(shifted).mean(0), centre)


class _Areas(NamedTuple):
    """Under the curves of B images, B each."""

    insertion: Tensor
    deletion: Tensor

    @property
    def score(self) -> Tensor:
        return self.insertion - self.deletion


def _follow(xb: Tensor, blurred: Tensor, probability: Callable[[Tensor], Tensor], rank: Tensor) -> _Areas:
    """Show the pixels in the order of their rank, B×H×W from 0 to 1, and take them away in that order."""
    inserted, deleted = [probability(blurred)], [probability(xb)]
    for step in range(1, STEPS):
        first = (rank < step / STEPS).to(xb.device)[:, None]  # B×1×H×W
        inserted.append(probability(torch.where(first, xb, blurred)))
        deleted.append(probability(torch.where(first, blurred, xb)))
    return _Areas(_area([*inserted, deleted[0]]), _area([*deleted, inserted[0]]))


def _ranks(maps: Tensor, draw: torch.Generator) -> Tensor:
    """Each pixel's place in the order from most to least evidence, B×H×W from 0 to 1; equals are in random order."""
    flat = maps.flatten(1)
    mixed = torch.rand(flat.shape, generator=draw).argsort(1)
    order = mixed.gather(1, flat.gather(1, mixed).argsort(dim=1, descending=True, stable=True))
    return _places(order).view_as(maps)


def _places(order: Tensor) -> Tensor:
    """From the pixels in order, B×P, to each pixel's place in it, from 0 to 1."""
    places = torch.arange(order.shape[1]) / order.shape[1]
    return torch.empty(order.shape).scatter(1, order, places.expand(order.shape))


def _shifted(maps: Tensor, draw: torch.Generator) -> Tensor:
    """Each map moved around by a random number of rows and columns."""
    height, width = maps.shape[1:]
    rows = torch.randint(height, (len(maps), 1, 1), generator=draw)
    columns = torch.randint(width, (len(maps), 1, 1), generator=draw)
    image = torch.arange(len(maps))[:, None, None]
    return maps[image, (torch.arange(height)[:, None] + rows) % height, (torch.arange(width) + columns) % width]


def _centre_ranks(maps: Tensor) -> Tensor:
    """The order of a map whose values were laid out from the centre outwards."""
    height, width = maps.shape[1:]
    row = (torch.arange(height) + 0.5) / height - 0.5
    column = (torch.arange(width) + 0.5) / width - 0.5
    outwards = (row[:, None] ** 2 + column**2).flatten().argsort(stable=True)
    return _places(outwards.expand(len(maps), -1)).view_as(maps)


def blur(xb: Tensor) -> Tensor:
    """A copy without detail: what an image looks like where it is not shown."""
    sigma = min(xb.shape[2:]) * BLUR
    return gaussian_blur(xb, [2 * int(2.5 * sigma) + 1] * 2, [sigma, sigma])


def _probability(model: nn.Module, xb: Tensor, targets: Tensor) -> Tensor:
    return model(xb).float().softmax(1).gather(1, targets[:, None])[:, 0].cpu()


def _area(points: list[Tensor]) -> Tensor:
    """The area under a curve over [0, 1], by trapezia."""
    return torch.trapezoid(torch.stack(points), dx=1 / STEPS, dim=0)
