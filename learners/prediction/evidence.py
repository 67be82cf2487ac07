"""Figures of predictions: each image beside the heatmap of its predicted class."""

import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import torch

from callbacks.gradcam.choice import Choice
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import METHODS
from callbacks.gradcam.plots import Panel, Scale, plot_panels, short_name
from callbacks.picture import Picture
from data.common.files import replacing
from learners.prediction.predictor import Answer, Batch, Predictor
from learners.run_directory.stored_heatmaps import stored_heatmaps

MAX_STEM_CHARS = 40  # characters of an image's name that its figure's name keeps; a file name has at most 255 bytes
DPI = 150  # resolution of the figures, in dots per inch


class Evidence:
    """Makes figures of predictions, with the heatmap method and layer that the run chose at its end.

    Args:
        run: the run directory.
        predictor: the predictor of that run.

    Raises:
        RunDirectoryError: `model.json` cannot be read.
    """

    def __init__(self, run: Path, predictor: Predictor) -> None:
        self.choice, self.predictor = stored_heatmaps(run) or Choice(), predictor

    def figures(self, batch: Batch, answers: Sequence[Answer]) -> Iterator[Picture]:
        """Yield one figure per image of a batch: the image, and the heatmap of its most probable class."""
        predictor = self.predictor
        targets = [predictor.classes.index(answer.guesses[0].label) for answer in answers]
        xb = predictor.model.images(torch.from_numpy(batch.pixels).to(predictor.device))
        maps = grad_cam(predictor.model.net, xb, targets, self.choice.layer, self.choice.method).cpu().numpy()
        for pixels, heat, answer in zip(batch.pixels, maps, answers, strict=True):
            yield self._figure(pixels / 255, heat, answer)

    def _figure(self, image: np.ndarray, heat: np.ndarray, answer: Answer) -> Picture:
        first, *others = (f"{_plain(label)} {probability:.1%}" for label, probability in answer.guesses)
        heading = f"{first}, before {' and '.join(others)}"
        panels = [Panel(image, ""), Panel(image, f"evidence for {_plain(answer.guesses[0].label)}", heat)]
        method = METHODS[self.choice.method]
        return plot_panels(panels, len(panels), heading, Scale(method.unit, method.weak))


class EvidencePictures:
    """Writes figures of predictions into a folder: `000001-cat.png` for the first image, `cat.jpg`, and so on.

    The number is that of the row in a table of the answers; it tells images of the same name apart.

    Args:
        evidence: makes the figures.
        folder: an existing folder; files of the same name are replaced.
    """

    def __init__(self, evidence: Evidence, folder: Path) -> None:
        self.evidence, self.folder, self._numbers = evidence, folder, count(1)

    def write(self, batch: Batch, answers: Sequence[Answer]) -> None:
        """Write one figure per image of a batch."""
        for figure, answer in zip(self.evidence.figures(batch, answers), answers, strict=True):
            stem = re.sub(r"[^\w.-]+", "-", Path(answer.image).stem)[:MAX_STEM_CHARS]
            with replacing(self.folder / f"{next(self._numbers):06d}-{stem}.png") as draft:
                figure.savefig(draft, dpi=DPI)


def _plain(label: str) -> str:
    """Return a label with escaped dollar signs, between which matplotlib would expect a formula."""
    return short_name(label).replace("$", r"\$")
