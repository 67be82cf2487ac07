"""Does an exported file answer as the model does? Tried on validation images, or on made ones where those are gone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from data.common.errors import AppError, TrainingError
from learners.end_to_end import EndToEnd
from learners.export.formats import Run
from learners.opened_run import open_run

IMAGES = 256  # that are compared, at the most
AT_ONCE = 32  # so that the size of the batch is seen to be free: the last one is smaller, and the first has one image
TOLERANCE = 1e-4  # of a probability; beyond it an exported model is another model


@dataclass(frozen=True)
class Compared:
    """How far the probabilities of a file are from those of the model.

    Attributes:
        images: how many were compared.
        source: which images, in words.
        difference: the greatest of any probability.
        same_labels: for how many images the most probable class is the same.
    """

    images: int
    source: str
    difference: float
    same_labels: int

    def require_equal(self) -> None:
        """Two files with probabilities this close name another class only where two classes are as good as equal.

        Raises:
            TrainingError: a probability differs by more than 0.0001.
        """
        if not self.difference <= TOLERANCE:  # a NaN is no equality
            raise TrainingError(
                f"the exported model differs from the run: a probability by {self.difference:.2g}, the class for "
                f"{self.images - self.same_labels} of {self.images} images; nothing was kept. Try another format"
            )


def compare(exported: Run, model: EndToEnd, pixels: np.ndarray, source: str) -> Compared:
    """Compare an exported model with the one that was exported, in single precision on the CPU.

    Args:
        pixels: N×size×size×3, uint8.
        source: what images they are, in words.
    """
    parts = np.split(pixels, range(1, len(pixels), AT_ONCE))
    found = np.concatenate([exported(part) for part in parts if len(part)])
    with torch.no_grad():
        wanted = np.concatenate([model(torch.from_numpy(part)).numpy() for part in parts if len(part)])
    same = int((found.argmax(1) == wanted.argmax(1)).sum())
    return Compared(len(pixels), source, float(np.abs(found - wanted).max()), same)


def images_to_compare(run: Path, size: int, model: torch.nn.Module | None) -> tuple[np.ndarray, str]:
    """Evenly spread validation images of a run, and what they are; made ones where those cannot be had."""
    try:
        images = open_run(run, None, model).source.valid
        count = min(IMAGES, len(images))
        some = [images[i * len(images) // count] for i in range(count)]
        return np.stack([image.read(size) for image in some]), "validation images of the run"
    except AppError as error:
        return made_images(size), f"made images, since those of the run cannot be had ({error})"


def made_images(size: int, count: int = 64) -> np.ndarray:
    """Smooth areas of colour with noise over them, N×size×size×3, uint8: the same each time."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 2, 2, 3)).repeat(-(-size // 2), 1).repeat(-(-size // 2), 2)
    noise = rng.normal(0, 30, (count, size, size, 3))
    return np.clip(coarse[:, :size, :size] + noise, 0, 255).astype(np.uint8)
