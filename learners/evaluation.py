"""What the model of a finished run is worth. Without fastai, whose import takes longer than an evaluation on a GPU."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from callbacks.training.means import RunningMean, hit_rate
from data import DataError, Source, open_source
from data.cache import Stats
from data.common.files import write_json
from data.folders import list_splits
from data.validation import validation_batches
from learners.device import autocast, pick_device
from learners.recipe import Recipe
from learners.resnet import ResNet18
from learners.run import RunDirectoryError, read_json, read_recipe
from learners.tta import SixViews


def evaluate(run: str | Path, data: str | Path | None = None, tta: bool = False) -> dict:
    """Accuracy and loss of a run's model; `tta` adds `accuracy_tta`, of six views, also to the run's `metrics.json`.

    Args:
        data: a folder to validate on instead of the run's own images: its validation split, or all of it where it
            has none. Its classes must be among the model's.

    Raises:
        RunDirectoryError: see `load_model`.
        DataError: the images cannot be had, or are not those that the run was trained on.
    """
    run = Path(run)
    model, stats, source, recipe = open_run(run, data)
    device = pick_device("auto")
    model = model.to(device, memory_format=torch.channels_last)

    def measure(model: nn.Module) -> tuple[float, float]:
        bs = 2 * recipe.batch_size  # as the learner's
        batches = validation_batches(source, recipe.size, stats, bs, recipe.cache, device)
        return _loss_and_accuracy(model, batches, nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing))

    valid_loss, accuracy = measure(model)
    results = {"accuracy": accuracy, "valid_loss": valid_loss, "valid_images": len(source.valid_files)}
    if tta:
        results["accuracy_tta"] = measure(SixViews(model, mirror=recipe.mirror != "none"))[1]
    if tta and data is None:
        metrics = read_json(run, "metrics.json") | {"accuracy_tta": results["accuracy_tta"]}
        write_json(run / "metrics.json", metrics)
    return results


@torch.no_grad()
def _loss_and_accuracy(model: nn.Module, batches, loss_func: Callable) -> tuple[float, float]:
    """Of a model in eval mode; the sums are those of the learner's validation."""
    loss, accuracy = RunningMean(), RunningMean()
    for x, y in batches:
        with autocast(x.device):
            logits = model(x)
            loss.add(loss_func(logits, y), len(y))
        accuracy.add(hit_rate(logits, y), len(y))
    return float(loss.value), float(accuracy.value)


def load_model(run: str | Path) -> tuple[ResNet18, dict]:
    """The model of a run, on the CPU and in eval mode, and what its `model.json` says.

    Raises:
        RunDirectoryError: there is no such run, it is not finished, or its files are damaged.
    """
    run = Path(run)
    description = read_json(run, "model.json")
    path = run / "model.safetensors"
    model = ResNet18(len(description["classes"]), description["channels"])
    try:
        model.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise RunDirectoryError(f"{path} is missing; name the directory of a finished run") from None
    except (SafetensorError, RuntimeError) as error:
        raise RunDirectoryError(f"{path} is damaged ({str(error).splitlines()[0]}); train again") from error
    return model.eval(), description


def open_run(run: Path, data: str | Path | None) -> tuple[ResNet18, Stats, Source, Recipe]:
    """The model of a run and its normalisation, the images to validate on, and the recipe for them.

    Args:
        data: a folder to validate on instead of the run's own images; see `evaluate`.

    Raises:
        RunDirectoryError: see `load_model`, or no recipe.
        DataError: the images cannot be had, or are not those that the run was trained on.
    """
    model, description = load_model(run)
    stats = Stats(tuple(description["mean"]), tuple(description["std"]))
    return model, stats, *_source_and_recipe(run, description["classes"], data)


def _source_and_recipe(run: Path, classes: list[str], data: str | Path | None) -> tuple[Source, Recipe]:
    stored = read_json(run, "recipe.json")
    recipe = read_recipe(stored)
    if data is None:
        return _own_source(recipe, stored["fingerprint"]), recipe
    source = _folder(Path(data), classes)
    bs = min(recipe.batch_size, len(source.train_files))
    return source, replace(recipe, data=source.name, batch_size=bs, cache="none")


def _own_source(recipe: Recipe, fingerprint: str) -> Source:
    source = open_source(recipe.data, recipe.seed, recipe.limit, recipe.holdout)
    if source.fingerprint != fingerprint:
        raise DataError(f"{recipe.data}: its files are not those of the run; name a folder with --data")
    return source


def _folder(root: Path, classes: list[str]) -> Source:
    """The validation split of `root`, or all of it, under the model's classes."""
    root = root.expanduser().absolute()
    train, valid = list_splits(root)
    files = valid or train
    unknown = sorted({file.label for file in files} - set(classes))
    if unknown:
        raise DataError(f"{root}: the model has no class {', '.join(unknown)}; it knows {', '.join(classes)}")
    return Source(str(root), files, files, classes, size=0, mirror="", crop=0.0, fingerprint="", stamp="")
