"""Grid pointing: a test whether the heatmap of a class marks the image of that class among four images.

Mosaics of four images of four classes are passed through the model as one image of twice the size. The mass of the
heatmap should lie in the quarter that shows the class; by chance 25% of it does. No part of the image is removed, so
that this test is independent of the p-values.

Source: after Rao et al. 2022, https://arxiv.org/abs/2205.10435.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_CONFIDENCE = 0.85  # probability of its class that an image of a mosaic needs, if there are enough such images


@dataclass(frozen=True)
class Mosaics:
    """N mosaics of four images each.

    Attributes:
        xb: mosaics, N×C×2H×2W.
        targets: class to explain in each mosaic, N numbers.
        quarters: quarter that shows this class, N numbers from 0 to 3, row by row.
    """

    xb: Tensor
    targets: Tensor
    quarters: Tensor


def make_mosaics(
    images: Tensor, classes: Sequence[int], confidences: Sequence[float], count: int, seed: int = 0
) -> Mosaics:
    """Return `count` mosaics of four images of different classes, or none if there are fewer than four classes.

    Args:
        images: M×C×H×W, all classified correctly by the model.
        classes: their classes, M numbers.
        confidences: probabilities of these classes, M numbers.
        count: number of mosaics.
        seed: seed of the random choice.
    """
    generator = random.Random(seed)
    members = _members(classes, confidences)
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


def _members(classes: Sequence[int], confidences: Sequence[float]) -> dict[int, list[int]]:
    """Return the indices of the images by class: only confident images if four classes have some, otherwise all."""
    for threshold in (MIN_CONFIDENCE, 0.0):
        members: dict[int, list[int]] = {}
        for i, (name, probability) in enumerate(zip(classes, confidences, strict=True)):
            if probability >= threshold:
                members.setdefault(int(name), []).append(i)
        if len(members) >= 4:
            break
    return members


def pointed_mass(mosaics: Mosaics, make_maps: Callable[[Tensor, Tensor], Tensor]) -> list[float]:
    """Return the share of each map's mass in the right quarter, N numbers from 0 to 1; 0 for a map of zeros.

    Args:
        mosaics: N mosaics.
        make_maps: function that returns the maps of images and their targets.
    """
    if not len(mosaics.xb):
        return []
    maps = make_maps(mosaics.xb, mosaics.targets).clamp(min=0).cpu()
    rows, columns = (n // 2 for n in maps.shape[1:])
    quarters = maps.unfold(1, rows, rows).unfold(2, columns, columns).sum((3, 4)).flatten(1)  # N×4
    right = quarters.gather(1, mosaics.quarters[:, None])[:, 0]
    return (right / quarters.sum(1).clamp(min=1e-12)).tolist()
