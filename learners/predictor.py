"""Answers of a finished run about any images. It needs neither the data set nor fastai, whose import takes seconds."""

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
from data.reading import name_of, read_pixels
from learners.device import autocast, pick_device
from learners.end_to_end import EndToEnd
from learners.model_files import load_model

UNSURE = "unsure"
GUESSES = 3  # classes that an answer names
PIXELS_AT_ONCE = {"cpu": 2**16, "cuda": 2**20, "mps": 2**20}  # of one forward pass: 64 images of 32 pixels on a CPU


class Guess(NamedTuple):
    """A class and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What a model says of one image.

    Attributes:
        image: its path, or what else it is called.
        label: the most probable class, or `unsure` where its probability is below the confidence that was asked for.
        probability: that of the most probable class, also where the label is `unsure`.
        guesses: the three most probable classes, or all of fewer, the most probable first.
    """

    image: str
    label: str
    probability: float
    guesses: tuple[Guess, ...]

    def to_dict(self) -> dict[str, Any]:
        """In plain values."""
        return asdict(self) | {"guesses": [guess._asdict() for guess in self.guesses]}

    def __str__(self) -> str:
        """A line with the label first and the image last, in columns where names of classes are short."""
        others = self.guesses if self.label == UNSURE else self.guesses[1:]
        rest = ", ".join(f"{label} {probability:.1%}" for label, probability in others)
        return f"{self.label:<12} {self.probability:>6.1%}  {rest:<40}  {self.image}"


class Batch(NamedTuple):
    """Images that were read.

    Attributes:
        names: what each is called.
        pixels: N×size×size×3, uint8.
    """

    names: list[str]
    pixels: np.ndarray


Unreadable = Callable[[DataError], None]  # is told of an image that cannot be read


def _refuse(error: DataError) -> None:
    raise error


class Predictor:
    """`Predictor("runs/x")(["cat.jpg", "dog.jpg"])`: the model of a finished run, ready to answer.

    Images are read, shrunk and normalised exactly as those of validation, and the forward pass has the same precision.
    Probabilities are those after the temperature that the run was calibrated with.

    Args:
        run: its directory. Only `model.json` and `model.safetensors` are read.
        min_confidence: a probability from 0 to 1; answers below it are `unsure`.
        device: auto, cpu, cuda or mps.
        model: a net for the weights, where its architecture is not a registered one.

    Raises:
        RunDirectoryError: see `load_model`.
        RecipeError: there is no such device.
        InputError: a confidence that is no probability.
    """

    def __init__(
        self, run: str | Path, min_confidence: float = 0.0, device: str = "auto", model: nn.Module | None = None
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise InputError(f"`min_confidence` {min_confidence}: give a probability from 0 to 1")
        saved = load_model(run, model)
        self.classes, self.size, self.min_confidence = saved.classes, saved.size, min_confidence
        self.device = pick_device(device)
        self.model = EndToEnd(saved).eval().to(self.device).to(memory_format=torch.channels_last)
        self._at_once = max(1, PIXELS_AT_ONCE[self.device.type] // saved.size**2)

    def __repr__(self) -> str:
        classes = f"{len(self.classes)} classes, images of {self.size} pixels, on {self.device}"
        return f"{type(self).__name__}({classes}; unsure below {self.min_confidence:.0%})"

    def __call__(self, images: object) -> list[Answer]:
        """One answer for each image, in their order.

        Args:
            images: one image or any number of them. An image is a path, the bytes of a file, a stream, a PIL image, an
                array H×W×3 of uint8, or whatever else `open_rgb` takes.

        Raises:
            DataError: an image that cannot be read, named.
        """
        return list(self.stream(images))

    def stream(self, images: object, unreadable: Unreadable = _refuse) -> Iterator[Answer]:
        """As a call, but answers come while images are still being read, and memory does not grow with their number.

        Args:
            images: see `__call__`.
            unreadable: is told of each image that cannot be read, which then has no answer; by default that is raised.
        """
        for batch in self.batches(images, unreadable):
            yield from self.answers(batch)

    def batches(self, images: object, unreadable: Unreadable = _refuse) -> Iterator[Batch]:
        """The images of each forward pass; see `stream`."""
        read = self._read(_each(images), unreadable)
        while some := list(islice(read, self._at_once)):
            yield Batch([name for name, _ in some], np.stack([pixels for _, pixels in some]))

    @torch.no_grad()
    def answers(self, batch: Batch) -> list[Answer]:
        """One answer for each image of a batch."""
        with autocast(self.device):
            probabilities = self.model(torch.from_numpy(batch.pixels).to(self.device))
        values, places = probabilities.sort(descending=True, stable=True)  # of equal ones the first wins, as in argmax
        top = zip(values[:, :GUESSES].tolist(), places[:, :GUESSES].tolist(), strict=True)
        return [self._answer(name, *best) for name, best in zip(batch.names, top, strict=True)]

    def _answer(self, name: str, values: list[float], places: list[int]) -> Answer:
        guesses = tuple(Guess(self.classes[i], value) for i, value in zip(places, values, strict=True))
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
    """The images where there are several, and else the one."""
    if isinstance(images, np.ndarray | Tensor):
        return images if images.ndim == 4 else [images]
    single = isinstance(images, str | bytes | bytearray | memoryview | os.PathLike | Image.Image)
    if single or hasattr(images, "read") or not isinstance(images, Iterable):
        return [images]
    return images
