"""Compare an exported file with its model, on validation images or, if they cannot be read, on synthetic images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from data.common.errors import AppError, TrainingError
from learners.export.formats import ExportedModel
from learners.prediction.end_to_end import EndToEnd
from learners.run_directory.opened_run import open_run

MAX_IMAGES = 256  # images that are compared
BATCH_SIZE = 32  # images per batch; the first batch has one image, to check that the file accepts any batch size
MAX_DIFFERENCE = 1e-4  # largest difference of a probability with which an exported model is accepted


@dataclass(frozen=True)
class Compared:
    """The differences between the probabilities of an exported file and those of the model.

    Attributes:
        images: number of images that were compared.
        source: description of the images.
        difference: largest absolute difference of any probability.
        same_labels: number of images with the same most probable class.
    """

    images: int
    source: str
    difference: float
    same_labels: int

    def require_equal(self) -> None:
        """Check that no probability differs by more than 0.0001.

        The labels may then differ only for images of which two classes are equally probable.

        Raises:
            TrainingError: a probability differs by more.
        """
        if not self.difference <= MAX_DIFFERENCE:  # also for NaN
            raise TrainingError(
                f"the exported model differs from the run: a probability by {self.difference:.2g}, the class for "
                f"{self.images - self.same_labels} of {self.images} images; the file was not kept. Try another format"
            )


def compare(exported: ExportedModel, model: EndToEnd, pixels: np.ndarray, source: str) -> Compared:
    """Compare an exported model with its original, in single precision on the CPU.

    Args:
        exported: the exported model.
        model: the original.
        pixels: images N×size×size×3, uint8.
        source: description of the images.
    """
    batches = np.split(pixels, range(1, len(pixels), BATCH_SIZE))
    found = np.concatenate([exported(batch) for batch in batches if len(batch)])
    with torch.no_grad():
        expected = np.concatenate([model(torch.from_numpy(batch)).numpy() for batch in batches if len(batch)])
    same = int((found.argmax(1) == expected.argmax(1)).sum())
    return Compared(len(pixels), source, float(np.abs(found - expected).max()), same)


def images_to_compare(run: Path, size: int, model: torch.nn.Module | None) -> tuple[np.ndarray, str]:
    """Return evenly spaced validation images of a run, or synthetic images if those cannot be read.

    Args:
        run: the run directory.
        size: side of the images, in pixels.
        model: see `load_model`.

    Returns:
        Images N×size×size×3, uint8, and a description of them.
    """
    try:
        images = open_run(run, None, model).source.valid
        count = min(MAX_IMAGES, len(images))
        some = [images[i * len(images) // count] for i in range(count)]
        return np.stack([image.read(size) for image in some]), "validation images of the run"
    except AppError as error:
        return synthetic_images(size), f"synthetic images, because those of the run cannot be read ({error})"


def synthetic_images(size: int, count: int = 64) -> np.ndarray:
    """Return random areas of colour with noise, count×size×size×3, uint8; the same images in every call."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 2, 2, 3)).repeat(-(-size // 2), 1).repeat(-(-size // 2), 2)
    noise = rng.normal(0, 30, (count, size, size, 3))
    return np.clip(coarse[:, :size, :size] + noise, 0, 255).astype(np.uint8)
