"""Predict the classes of images with the model of a finished run.

This module needs neither the data set nor fastai, whose import takes seconds.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from data.common.errors import DataError, InputError
from data.decoding.reading import name_of, read_pixels
from learners.device import autocast, pick_device
from learners.prediction.end_to_end import EndToEnd
from learners.run_directory.model_files import load_model

UNSURE = "unsure"  # label of an answer below the minimum confidence
GUESSES = 3  # number of classes that an answer names
BATCH_PIXELS = {"cpu": 2**16, "cuda": 2**20, "mps": 2**20}  # pixels of a batch: 64 images of 32×32 on a CPU


class Guess(NamedTuple):
    """A class and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """The prediction for one image.

    Attributes:
        image: path of the image, or another name if it has none.
        label: the most probable class, or `unsure` if its probability is below the minimum confidence.
        probability: probability of the most probable class, even if the label is `unsure`.
        guesses: the three most probable classes (or all, if there are fewer), the most probable first.
    """

    image: str
    label: str
    probability: float
    guesses: tuple[Guess, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the answer in plain values."""
        return asdict(self) | {"guesses": [guess._asdict() for guess in self.guesses]}

    def __str__(self) -> str:
        """Return one line with the label first and the image last; short class names make aligned columns."""
        others = self.guesses if self.label == UNSURE else self.guesses[1:]
        rest = ", ".join(f"{label} {probability:.1%}" for label, probability in others)
        return f"{self.label:<12} {self.probability:>6.1%}  {rest:<40}  {self.image}"


class Batch(NamedTuple):
    """A batch of images that were read.

    Attributes:
        names: path or other name of each image.
        pixels: N×size×size×3, uint8.
    """

    names: list[str]
    pixels: np.ndarray


Unreadable = Callable[[DataError], None]  # function that is called with the error of an unreadable image


def _refuse(error: DataError) -> None:
    raise error


class Predictor:
    """Predicts the classes of images: `Predictor("runs/x")(["cat.jpg", "dog.jpg"])`.

    Images are read, resized and normalised exactly as in validation, and the forward pass has the same precision. The
    logits are divided by the temperature that was fitted at the end of the run.

    Args:
        run: the directory of a finished run. Only `model.json` and `model.safetensors` are read.
        min_confidence: a probability from 0 to 1; the label of answers below it is `unsure`.
        device: auto, cpu, cuda or mps.
        model: the net to load the weights into, if its architecture is not registered.

    Raises:
        RunDirectoryError: see `load_model`.
        RecipeError: the device is not available.
        InputError: `min_confidence` is not a probability.
    """

    def __init__(
        self, run: str | Path, min_confidence: float = 0.0, device: str = "auto", model: nn.Module | None = None
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise InputError(f"`min_confidence` {min_confidence}: must be a probability from 0 to 1")
        saved = load_model(run, model)
        self.classes, self.size, self.min_confidence = saved.classes, saved.size, min_confidence
        self.device = pick_device(device)
        self.model = EndToEnd(saved).eval().to(self.device).to(memory_format=torch.channels_last)
        self._batch_size = max(1, BATCH_PIXELS[self.device.type] // saved.size**2)

    def __repr__(self) -> str:
        classes = f"{len(self.classes)} classes, images of {self.size} pixels, on {self.device}"
        return f"{type(self).__name__}({classes}; unsure below {self.min_confidence:.0%})"

    def __call__(self, images: object) -> list[Answer]:
        """Return one answer per image, in the order of the images.

        Args:
            images: one image or any number of them. An image is a path, the bytes of a file, a stream, a PIL image, an
                array H×W×3 of uint8, or anything else that `open_rgb` takes.

        Raises:
            DataError: an image cannot be read; the message names it.
        """
        return list(self.stream(images))

    def stream(self, images: object, unreadable: Unreadable = _refuse) -> Iterator[Answer]:
        """Yield one answer per image while further images are read; memory does not grow with their number.

        Args:
            images: see `__call__`.
            unreadable: called with the error of each image that cannot be read, which gets no answer; by default the
                error is raised.
        """
        for batch in self.batches(images, unreadable):
            yield from self.answers(batch)

    def batches(self, images: object, unreadable: Unreadable = _refuse) -> Iterator[Batch]:
        """Yield the images in batches, one per forward pass.

        Args:
            images, unreadable: see `stream`.
        """
        read = self._read(_each(images), unreadable)
        while some := list(islice(read, self._batch_size)):
            yield Batch([name for name, _ in some], np.stack([pixels for _, pixels in some]))

    @torch.no_grad()
    def answers(self, batch: Batch) -> list[Answer]:
        """Return one answer per image of a batch."""
        with autocast(self.device):
            probabilities = self.model(torch.from_numpy(batch.pixels).to(self.device))
        values, idxs = probabilities.sort(descending=True, stable=True)  # the first of equal values comes first
        top = zip(values[:, :GUESSES].tolist(), idxs[:, :GUESSES].tolist(), strict=True)
        return [self._answer(name, *best) for name, best in zip(batch.names, top, strict=True)]

    def _answer(self, name: str, values: list[float], idxs: list[int]) -> Answer:
        guesses = tuple(Guess(self.classes[i], value) for i, value in zip(idxs, values, strict=True))
        label = guesses[0].label if values[0] >= self.min_confidence else UNSURE
        return Answer(name, label, values[0], guesses)

    def _read(self, images: Iterable[object], unreadable: Unreadable) -> Iterator[tuple[str, np.ndarray]]:
        for image in images:
            try:
                pixels = read_pixels(image, self.size)
            except DataError as error:
                unreadable(error)
            else:
                yield name_of(image), pixels


def _each(images: object) -> Iterable[object]:
    """Return the images one by one, also if `images` is a single image."""
    if isinstance(images, np.ndarray | Tensor):
        return images if images.ndim == 4 else [images]
    single = isinstance(images, str | bytes | bytearray | memoryview | os.PathLike | Image.Image)
    if single or hasattr(images, "read") or not isinstance(images, Iterable):
        return [images]
    return images
