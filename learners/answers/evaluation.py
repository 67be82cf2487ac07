"""Evaluate the model of a finished run on its validation images.

This module does not import fastai, whose import takes longer than an evaluation on a GPU.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from callbacks.training.means import RunningMean, accuracy
from data.common.files import write_json
from data.validation import validation_batches
from learners.answers.outputs import Outputs, outputs_of
from learners.answers.summary import evaluation_metrics
from learners.answers.tta import SixViews
from learners.device import pick_device
from learners.run_directory.opened_run import OpenedRun, open_run
from learners.run_directory.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """The result of one pass over the validation images.

    Loss and accuracy are summed in the order in which the learner sums them, so that they equal `metrics.json`.

    Attributes:
        outputs: logits and targets of all images.
        loss: mean cross entropy, with the label smoothing of the run.
        accuracy: fraction of images that are classified correctly.
    """

    outputs: Outputs
    loss: float
    accuracy: float


def evaluate(run: str | Path, data: str | Path | None = None, tta: bool = False) -> dict[str, Any]:
    """Return accuracy, loss and the entries of `evaluation_metrics` for the model of a run.

    A run that was trained with a loss function of its session has no `valid_loss` in the result, because the files of
    the run do not hold that function.

    Args:
        run: the run directory.
        data: see `open_run`.
        tta: also compute `accuracy_tta`, with the mean of six views of each image; unless `data` is given, it is added
            to the run's `metrics.json`, too.

    Raises:
        RunDirectoryError: see `load_model`.
        DataError: the images cannot be read, or are not those that the run was trained on.
    """
    path = Path(run)
    opened = open_run(path, data)
    found = measure(opened)
    results: dict[str, Any] = {
        "accuracy": found.accuracy,
        "valid_loss": found.loss,
        "valid_images": len(opened.source.valid),
    }
    if loss := Run.open(path).description.get("session", {}).get("loss"):
        del results["valid_loss"]
        log.warning("%s was trained with the loss %s, which is not in its files: valid_loss is left out", path, loss)
    if tta:
        results["accuracy_tta"] = measure(opened, tta=True).accuracy
    if tta and data is None:
        metrics = Run.open(path).read_json("metrics.json") | {"accuracy_tta": results["accuracy_tta"]}
        write_json(path / "metrics.json", metrics)
    return results | evaluation_metrics(found.outputs, opened.saved.temperature)


def measure(opened: OpenedRun, tta: bool = False) -> Measured:
    """Run the model once over its validation images, on the fastest available device.

    Args:
        opened: the model and the images.
        tta: use the mean of six views of each image.

    Raises:
        DataError: an image cannot be read; the message names it.
    """
    plan, device = opened.plan, pick_device("auto")
    model = opened.saved.model.to(device).to(memory_format=torch.channels_last)
    views: nn.Module = SixViews(model, mirror=plan.mirror != "none") if tta else model
    bs = 2 * plan.batch_size  # batch size of the learner's validation
    batches = validation_batches(opened.source, plan.size, opened.saved.stats, bs, plan.cache, device)
    loss, hits = RunningMean(), RunningMean()
    loss_func = nn.CrossEntropyLoss(label_smoothing=plan.label_smoothing)

    def add(logits: Tensor, y: Tensor) -> None:
        loss.add(loss_func(logits, y), len(y))
        hits.add(accuracy(logits, y), len(y))

    outputs = outputs_of(views, opened.source, batches, add)
    assert loss.value is not None
    assert hits.value is not None
    return Measured(outputs, float(loss.value), float(hits.value))
