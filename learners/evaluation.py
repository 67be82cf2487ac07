"""What the model of a finished run is worth. Without fastai, whose import takes longer than an evaluation on a GPU."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from callbacks.training.means import RunningMean, accuracy
from data import DataError, Source, open_source, validation_source
from data.common.files import write_json
from data.validation import validation_batches
from learners.class_order import in_order_of
from learners.device import autocast, pick_device
from learners.model_files import SavedModel, load_model
from learners.recipe import Plan
from learners.run import Run
from learners.tta import SixViews

log = logging.getLogger(__name__)


def evaluate(run: str | Path, data: str | Path | None = None, tta: bool = False) -> dict[str, Any]:
    """Accuracy and loss of a run's model; `tta` adds `accuracy_tta`, of six views, also to the run's `metrics.json`.

    A run with a loss function of its session has no `valid_loss` here: nobody knows that function any more.

    Args:
        data: a folder to validate on instead of the run's own images: its validation split, or all of it where it
            has none. Its classes must be among the model's.

    Raises:
        RunDirectoryError: see `load_model`.
        DataError: the images cannot be had, or are not those that the run was trained on.
    """
    path = Path(run)
    opened = open_run(path, data)
    plan, device = opened.plan, pick_device("auto")
    model = opened.saved.model.to(device).to(memory_format=torch.channels_last)

    def measure(model: nn.Module) -> tuple[float, float]:
        bs = 2 * plan.batch_size  # as the learner's
        batches = validation_batches(opened.source, plan.size, opened.saved.stats, bs, plan.cache, device)
        return _loss_and_accuracy(model, batches, nn.CrossEntropyLoss(label_smoothing=plan.label_smoothing))

    valid_loss, hits = measure(model)
    results: dict[str, Any] = {"accuracy": hits, "valid_loss": valid_loss, "valid_images": len(opened.source.valid)}
    if loss := Run.open(path).description.get("session", {}).get("loss"):
        del results["valid_loss"]
        log.warning("%s was trained with the loss %s, which is not in its files: valid_loss is left out", path, loss)
    if tta:
        results["accuracy_tta"] = measure(SixViews(model, mirror=plan.mirror != "none"))[1]
    if tta and data is None:
        metrics = Run.open(path).read_json("metrics.json") | {"accuracy_tta": results["accuracy_tta"]}
        write_json(path / "metrics.json", metrics)
    return results


@torch.no_grad()
def _loss_and_accuracy(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], loss_func: nn.Module
) -> tuple[float, float]:
    """Of a model in eval mode, on at least one batch; the sums are those of the learner's validation."""
    loss, hits = RunningMean(), RunningMean()
    for x, y in batches:
        with autocast(x.device):
            logits = model(x)
            loss.add(loss_func(logits, y), len(y))
        hits.add(accuracy(logits, y), len(y))
    assert loss.value is not None
    assert hits.value is not None
    return float(loss.value), float(hits.value)


@dataclass(frozen=True)
class OpenedRun:
    """A finished run, ready to look at images.

    Attributes:
        saved: its model.
        source: the images to validate on.
        plan: the plan of the run, adapted to those images.
    """

    saved: SavedModel
    source: Source
    plan: Plan


def open_run(path: Path, data: str | Path | None, model: nn.Module | None = None) -> OpenedRun:
    """The model of a finished run, and the images to validate on.

    Args:
        data: images to validate on instead of the run's own; see `evaluate`.
        model: see `load_model`.

    Raises:
        RunDirectoryError: see `load_model`, or no recipe.
        DataError: the images cannot be read, or are not those that the run was trained on.
    """
    saved = load_model(path, model)
    run = Run.open(path)
    if data is None:
        source = in_order_of(_own_source(run), saved.classes, path / "model.json")
        return OpenedRun(saved, source, run.recipe.plan_for(source))
    source = validation_source(data, saved.classes)
    recipe = run.recipe
    batch_size = min(recipe.batch_size or 1, len(source.valid))
    recipe = replace(recipe, data=source.name, batch_size=batch_size, cache="none")
    return OpenedRun(saved, source, recipe.resolve(len(source.valid), source.size, source.mirror, source.crop))


def _own_source(run: Run) -> Source:
    recipe = run.recipe
    source = open_source(recipe.data, recipe.seed, recipe.limit, recipe.holdout, recipe.skip_bad)
    if source.fingerprint != run.description["fingerprint"]:
        raise DataError(f"{recipe.data}: its files are not those of the run; name a folder as `data`")
    return source
