"""The outputs of a model on its validation images: logits and targets, which the run directory holds.

This module does not import fastai, and SciPy only within functions, because these imports delay the first batch.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor, nn

from data import Source
from data.common.files import replacing
from learners.device import autocast
from learners.run_directory.run import RunDirectoryError

FILE = "outputs.safetensors"  # file in the run directory with the outputs on the validation images

Batches = Iterable[tuple[Tensor, Tensor]]  # images N×3×H×W and targets N


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model on N images of C classes.

    Attributes:
        logits: N×C, float32.
        targets: true class of each image, N, int64.
        names: names of the N images; for files, their paths relative to the folder of the data.
        classes: class name of each logit.
    """

    logits: np.ndarray
    targets: np.ndarray
    names: list[str]
    classes: list[str]

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class with the largest logit of each image, N, int64."""
        return self.logits.argmax(1)

    @cached_property
    def losses(self) -> np.ndarray:
        """The cross entropy of each image without label smoothing, N, float64, in nats."""
        from scipy.special import log_softmax

        return -log_softmax(self.logits.astype(np.float64), axis=1)[np.arange(len(self.targets)), self.targets]

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return the softmax of the logits divided by `temperature`, N×C, float64."""
        from scipy.special import softmax

        return softmax(self.logits.astype(np.float64) / temperature, axis=1)

    def save(self, path: Path) -> None:
        """Write the outputs to one file, atomically.

        Raises:
            OSError: the file cannot be written.
        """
        more = {"names": json.dumps(self.names), "classes": json.dumps(self.classes)}
        with replacing(path) as draft:
            draft.write_bytes(save({"logits": self.logits, "targets": self.targets}, metadata=more))

    @classmethod
    def load(cls, path: Path) -> "Outputs":
        """Read the outputs from a file of `save`.

        Raises:
            FileNotFoundError: the file does not exist.
            RunDirectoryError: the file is damaged.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                more = file.metadata()
                names, classes = json.loads(more["names"]), json.loads(more["classes"])
                return cls(file.get_tensor("logits"), file.get_tensor("targets"), names, classes)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunDirectoryError(
                f"{path} is damaged ({error}); delete it, and its content is computed again from the images"
            ) from error


OnBatch = Callable[[Tensor, Tensor], Any]  # function of logits N×C and targets N of a batch, on their device


@torch.no_grad()
def outputs_of(model: nn.Module, source: Source, batches: Batches, on_batch: OnBatch | None = None) -> Outputs:
    """Return the outputs of a model in eval mode on the validation images of `source`.

    Args:
        model: the net.
        source: the images.
        batches: batches from `validation_batches`, on the model's device.
        on_batch: called after each batch, for sums that must be computed as in training.
    """
    logits, targets = list[Tensor](), list[Tensor]()
    for batch_logits, y in _logits(model, batches):
        if on_batch:
            on_batch(batch_logits, y)
        logits.append(batch_logits)
        targets.append(y)
    names = [str(getattr(image, "name", f"image {i}")) for i, image in enumerate(source.valid)]
    return Outputs(torch.cat(logits).cpu().numpy(), torch.cat(targets).cpu().numpy(), names, list(source.classes))


def _logits(model: nn.Module, batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    for x, y in batches:
        with autocast(x.device):
            logits = model(x)
        yield logits.float(), y
