"""The answers of a model on images: logits beside targets, kept in the run directory.

Without fastai, and with SciPy only where it is used: the first batch should not wait for them.
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
from learners.run import RunDirectoryError

FILE = "outputs.safetensors"  # of a run directory: the outputs on its validation images

Batches = Iterable[tuple[Tensor, Tensor]]  # images N×3×H×W and targets N


@dataclass(frozen=True)
class Outputs:
    """What a model answers on N images of C classes.

    Attributes:
        logits: N×C, float32.
        targets: N, int64: the true class of each image.
        names: of the N images: paths relative to their folder, where they are files.
        classes: the name of each logit.
    """

    logits: np.ndarray
    targets: np.ndarray
    names: list[str]
    classes: list[str]

    @cached_property
    def predicted(self) -> np.ndarray:
        """N, int64: the class with the greatest logit."""
        return self.logits.argmax(1)

    @cached_property
    def losses(self) -> np.ndarray:
        """N, float64: the cross entropy of each image, in nats, without label smoothing."""
        from scipy.special import log_softmax

        return -log_softmax(self.logits.astype(np.float64), axis=1)[np.arange(len(self.targets)), self.targets]

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """N×C, float64: the softmax of the logits divided by `temperature`."""
        from scipy.special import softmax

        return softmax(self.logits.astype(np.float64) / temperature, axis=1)

    def save(self, path: Path) -> None:
        """Write the outputs into one file, which is whole or absent.

        Raises:
            OSError: it cannot be written.
        """
        more = {"names": json.dumps(self.names), "classes": json.dumps(self.classes)}
        with replacing(path) as draft:
            draft.write_bytes(save({"logits": self.logits, "targets": self.targets}, metadata=more))

    @classmethod
    def load(cls, path: Path) -> "Outputs":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            RunDirectoryError: the file is damaged.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                more = file.metadata()
                names, classes = json.loads(more["names"]), json.loads(more["classes"])
                return cls(file.get_tensor("logits"), file.get_tensor("targets"), names, classes)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RunDirectoryError(
                f"{path} is damaged ({error}); remove it, and it is measured again from the images"
            ) from error


Watch = Callable[[Tensor, Tensor], Any]  # is given logits N×C and targets N of a batch, on their device


@torch.no_grad()
def outputs_of(model: nn.Module, source: Source, batches: Batches, watch: Watch | None = None) -> Outputs:
    """The outputs of a model in eval mode on the validation images of `source`.

    Args:
        batches: of `validation_batches`, on the model's device.
        watch: is called for each batch, to sum what must be summed as in training.
    """
    logits, targets = list[Tensor](), list[Tensor]()
    for answer, y in _answers(model, batches):
        if watch:
            watch(answer, y)
        logits.append(answer)
        targets.append(y)
    names = [str(getattr(image, "name", f"image {i}")) for i, image in enumerate(source.valid)]
    return Outputs(torch.cat(logits).cpu().numpy(), torch.cat(targets).cpu().numpy(), names, list(source.classes))


def _answers(model: nn.Module, batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    for x, y in batches:
        with autocast(x.device):
            logits = model(x)
        yield logits.float(), y
