"""Extremal perturbation, the default method: the fifth of the image on which the class depends most.

A mask over the cells of the image is optimised, so that the margin of the class falls as far as possible when the area
of the mask is blurred. The area shrinks to a fifth of the image during the search. Differences from the source: the
search starts from the Grad-CAM map and takes nine steps, the area is set exactly by bisection, and the map is not
binary. The value at a cell is the product of

- the mask, from 0 (kept) to 1 (blurred),
- the fall of the margin with the cell, in logits: the mean gradient over the steps, clamped at 0,
- the square of the Grad-CAM map, from 0 to 1, which suppresses evidence that is not specific to the class.

An image takes nine backward passes, and one of Grad-CAM through the last layers.

Source: Fong, Patrick and Vedaldi 2019, https://arxiv.org/abs/1910.08485.
"""

import torch
from torch import Tensor

from callbacks.gradcam.cells import batch_size_for, blurred, to_map, to_pixels
from callbacks.gradcam.methods import register
from callbacks.gradcam.methods.gradcam import coarse_cells
from callbacks.gradcam.question import Question, margin

MASK_AREAS = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.2, 0.2)  # share of the image that is blurred at each step
STEP_SIZE, STEP_MOMENTUM = 1.2, 0.7  # settings of the gradient descent
COARSE_MAP_WEIGHT = 3.0  # factor of the Grad-CAM map in the initial mask
BISECTION_STEPS = 40  # halvings of the interval in which the mask's offset is searched


@register("extremal", unit="logits lost with a cell", weak=0.2)
def extremal(question: Question) -> Tensor:
    """Return maps B×H×W; the docstring of the module describes them."""
    coarse, targets = coarse_cells(question), question.checked_targets()  # B×rows×columns, B
    parts = []
    batches = (values.split(batch_size_for(question.xb)) for values in (question.xb, coarse, targets))
    for xb, start, wanted in zip(*batches, strict=True):
        mask, lost = _search(question, xb, COARSE_MAP_WEIGHT * start, wanted)
        parts.append(mask * lost.clamp(min=0) * start**2)
    return to_map(torch.cat(parts), question.xb)


def _search(question: Question, xb: Tensor, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mask after the last step, and the mean fall of the margin with each cell; both B×rows×columns."""
    fill, speed, total = blurred(xb), torch.zeros_like(z), torch.zeros_like(z)
    for area in MASK_AREAS:
        mask = mask_of_area(z, area).requires_grad_()
        shown = torch.lerp(xb, fill, to_pixels(mask, xb).to(xb.dtype))
        after = margin(question.logits(shown), targets).sum()
        lost = -torch.autograd.grad(after, mask)[0]
        total += lost
        steepness = lost.flatten(1).std(1)[:, None, None].clamp(min=1e-12)
        speed = STEP_MOMENTUM * speed + lost / steepness
        z = z + STEP_SIZE * speed
    return mask_of_area(z, MASK_AREAS[-1]), total / len(MASK_AREAS)


def mask_of_area(z: Tensor, area: float) -> Tensor:
    """Return sigmoid(z + b), B×rows×columns, with the b for each image for which the mean is `area`, by bisection."""
    reach = 20 + z.abs().amax((1, 2), keepdim=True)  # B×1×1
    low, high = -reach, reach
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        large = torch.sigmoid(z + middle).mean((1, 2), keepdim=True) > area
        low, high = torch.where(large, low, middle), torch.where(large, middle, high)
    return torch.sigmoid(z + (low + high) / 2)
