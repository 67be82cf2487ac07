"""Which fifth of the image does the class depend on most? The default method.

A mask over the cells of the image is optimised, so that the margin of the class falls as far as it can when the mask's
area is blurred. The area shrinks to a fifth on the way. After Fong, Patrick and Vedaldi 2019
(https://arxiv.org/abs/1910.08485), with three changes: the search starts where Grad-CAM finds the class and stops after
nine steps, a bisection holds the area, and the result is graded. The value at a cell is the product of

- how far the mask takes the cell away, from 0 to 1,
- what the margin loses with the cell, in logits: the mean gradient of the steps, clamped at 0,
- the square of the Grad-CAM map, from 0 to 1, which keeps out what is evidence for no class in particular.

One image costs nine backward passes, and Grad-CAM's own through the last layers.
"""

import torch
from torch import Tensor

from callbacks.gradcam.cells import batch_size_for, blurred, to_map, to_pixels
from callbacks.gradcam.methods import register
from callbacks.gradcam.methods.gradcam import coarse_cells
from callbacks.gradcam.question import Question, margin

MASK_AREAS = (0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.2, 0.2)  # of the image: how much the mask takes away at each step
STEP_SIZE, STEP_MOMENTUM, COARSE_MAP_WEIGHT = (
    1.2,
    0.7,
    3.0,
)  # of the search; the last is how far the coarse map leads at first
BISECTION_STEPS = 40


@register("extremal", unit="logits lost with a cell", weak=0.2)
def extremal(question: Question) -> Tensor:
    """Maps B×H×W: see the text above."""
    coarse, targets = coarse_cells(question), question.checked_targets()  # B×rows×columns, B
    parts = []
    batches = (values.split(batch_size_for(question.xb)) for values in (question.xb, coarse, targets))
    for xb, start, wanted in zip(*batches, strict=True):
        mask, lost = _search(question, xb, COARSE_MAP_WEIGHT * start, wanted)
        parts.append(mask * lost.clamp(min=0) * start**2)
    return to_map(torch.cat(parts), question.xb)


def _search(question: Question, xb: Tensor, z: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The mask after the last step, and the mean loss of margin with each cell; both B×rows×columns."""
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
    """sigmoid(z + b), B×rows×columns, with that b for each image which makes the mean `area`, by bisection."""
    reach = 20 + z.abs().amax((1, 2), keepdim=True)  # B×1×1
    low, high = -reach, reach
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        large = torch.sigmoid(z + middle).mean((1, 2), keepdim=True) > area
        low, high = torch.where(large, low, middle), torch.where(large, middle, high)
    return torch.sigmoid(z + (low + high) / 2)
