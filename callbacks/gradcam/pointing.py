"""Grid pointing: does the map of a class find the image of that class among four?

Mosaics of four images of four classes go through the model as one image of twice the size. The mass of a class's map
should lie in the quarter that shows the class; by chance a quarter of it does. Nothing is taken away for this test, so
that it does not depend on the p-values (after Rao et al. 2022, https://arxiv.org/abs/2205.10435).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_CONFIDENCE = 0.85  # probability of its class that an image of a mosaic has at least, where there are enough of them


@dataclass(frozen=True)
class Mosaics:
    """Four images in one, N times.

    Attributes:
        xb: N×C×2H×2W.
        targets: the class to look for, N numbers.
        quarters: where it is, N numbers from 0 to 3, row by row.
    """

    xb: Tensor
    targets: Tensor
    quarters: Tensor


def make_mosaics(images: Tensor, classes: Sequence[int], sure: Sequence[float], count: int, seed: int = 0) -> Mosaics:
    """Put four images of four classes together, `count` times; of fewer than four classes there are none.

    Args:
        images: M×C×H×W, all of which the model classifies correctly.
        classes: M numbers.
        sure: the probabilities of the classes, M numbers.
    """
    generator = random.Random(seed)
    members = _members(classes, sure)
    if len(members) < 4:
        empty = torch.zeros(0, dtype=torch.long)
        return Mosaics(images.new_zeros(0, *images.shape[1:]), empty, empty)
    big, targets, quarters = [], [], []
    for _ in range(count):
        four = generator.sample(sorted(members), 4)
        a, b, c, d = (images[generator.choice(members[name])] for name in four)
        big.append(torch.cat([torch.cat([a, b], 2), torch.cat([c, d], 2)], 1))  # C×2H×2W
        quarters.append(generator.randrange(4))
        targets.append(four[quarters[-1]])
    return Mosaics(torch.stack(big), torch.tensor(targets), torch.tensor(quarters))


def _members(classes: Sequence[int], sure: Sequence[float]) -> dict[int, list[int]]:
    """By class the images of it, only the sure ones where four classes have some."""
    for least in (MIN_CONFIDENCE, 0.0):
        members: dict[int, list[int]] = {}
        for i, (name, probability) in enumerate(zip(classes, sure, strict=True)):
            if probability >= least:
                members.setdefault(int(name), []).append(i)
        if len(members) >= 4:
            break
    return members


def pointed_mass(mosaics: Mosaics, make_maps: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
    """The share of each map's mass in the right quarter, N numbers from 0 to 1; of an empty map 0.

    Args:
        draw_maps: from images and their targets to maps.
    """
    if not len(mosaics.xb):
        return []
    maps = make_maps(mosaics.xb, mosaics.targets).clamp(min=0).cpu()
    rows, columns = (n // 2 for n in maps.shape[1:])
    quarters = maps.unfold(1, rows, rows).unfold(2, columns, columns).sum((3, 4)).flatten(1)  # N×4
    right = quarters.gather(1, mosaics.quarters[:, None])[:, 0]
    return (right / quarters.sum(1).clamp(min=1e-12)).tolist()
