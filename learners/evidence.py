"""Pictures of the evidence for answers: each image beside its heatmap."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path

import numpy as np
import torch

from callbacks.gradcam.choice import Choice
from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import METHODS
from callbacks.gradcam.plots import Panel, Scale, draw, short_name
from data.common.files import replacing
from learners.predictor import Answer, Batch, Predictor
from learners.run import Run

STEM = 60  # characters of an image's name in that of its picture
DPI = 150


class EvidencePictures:
    """Fills a folder with pictures: `000001-cat.png` for the first answer, whose image is `cat.jpg`, and so on.

    Method and layer of the heatmaps are those that the run chose at its end. Numbers keep pictures of images of the
    same name apart, and are those of the rows of a table of the answers.

    Args:
        run: the directory of the run.
        predictor: of that run.
        folder: an existing folder; pictures of the same name are replaced.

    Raises:
        RunDirectoryError: `model.json` cannot be read.
    """

    def __init__(self, run: Path, predictor: Predictor, folder: Path) -> None:
        kept = Run(run, new=False).read_json("model.json").get("heatmaps") or asdict(Choice())
        self.method, self.layer = kept["method"], kept["layer"]
        self.predictor, self.folder, self._numbers = predictor, folder, count(1)

    def draw(self, batch: Batch, answers: Sequence[Answer]) -> None:
        """Write a picture for each image of a batch: the evidence for its most probable class."""
        predictor = self.predictor
        targets = [predictor.classes.index(answer.guesses[0].label) for answer in answers]
        xb = predictor.model.images(torch.from_numpy(batch.pixels).to(predictor.device))
        maps = grad_cam(predictor.model.net, xb, targets, self.layer, self.method).cpu().numpy()
        for pixels, heat, answer in zip(batch.pixels, maps, answers, strict=True):
            self._write(pixels / 255, heat, answer)

    def _write(self, image: np.ndarray, heat: np.ndarray, answer: Answer) -> None:
        first, *others = (f"{_plain(label)} {probability:.1%}" for label, probability in answer.guesses)
        heading = f"{first}, before {' and '.join(others)}"
        panels = [Panel(image, ""), Panel(image, f"evidence for {_plain(answer.guesses[0].label)}", heat)]
        method = METHODS[self.method]
        figure = draw(panels, len(panels), heading, Scale(method.unit, method.weak))
        stem = re.sub(r"[^\w.-]+", "-", Path(answer.image).stem)[:STEM]
        with replacing(self.folder / f"{next(self._numbers):06d}-{stem}.png") as draft:
            figure.savefig(draft, dpi=DPI)


def _plain(label: str) -> str:
    """A name as matplotlib shows it: between dollars it would read a formula."""
    return short_name(label).replace("$", r"\$")
