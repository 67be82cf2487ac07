"""Use what a run left: its weights on its own images or on others."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from callbacks.files import write_json
from callbacks.gradcam.choice import Choice
from callbacks.gradcam.methods import DEFAULT
from data import DataError, Source, image_dls, open_source
from data.cache import Stats
from data.folders import list_splits
from learners.device import pick_device
from learners.factory import assemble
from learners.heatmaps import choose_heatmaps
from learners.learner import ImageLearner
from learners.recipe import Recipe
from learners.resnet import ResNet18
from learners.run import RunDirectoryError, read_json, read_recipe
from learners.tta import SixViews


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


def load_run(run: str | Path, data: str | Path | None = None, device: str = "auto") -> ImageLearner:
    """The learner of a finished run, with its weights.

    Args:
        data: a folder to validate on instead of the run's own images: its validation split, or all of it where it
            has none. Its classes must be among the model's.
        device: auto, cpu, cuda or mps.

    Raises:
        RunDirectoryError: see `load_model`.
        DataError: the images cannot be had, or are not those that the run was trained on.
    """
    run = Path(run)
    model, description = load_model(run)
    stored = read_json(run, "recipe.json")
    recipe = read_recipe(stored)
    source = _own_source(recipe, stored["fingerprint"]) if data is None else _folder(Path(data), description["classes"])
    if data is not None:
        recipe = replace(recipe, data=source.name, batch_size=min(recipe.batch_size, len(source.train)), cache="none")
    device = pick_device(device)
    stats = Stats(tuple(description["mean"]), tuple(description["std"]))
    dls = image_dls(source, replace(recipe, device=device.type), stats).to(device)
    return assemble(dls, model.to(device, memory_format=torch.channels_last))


def heatmaps_of(run: Path, learn, method: str | None, layer: str | None) -> Choice:
    """The heatmaps to explain a finished run with.

    What the user names wins, then what the run's `model.json` keeps. A run of an earlier version keeps nothing: its
    layer is chosen now, in a moment, and `model.json` stays as it is.

    Args:
        method, layer: what the user named, or None.

    Raises:
        RunDirectoryError: `model.json` cannot be read.
    """
    if layer or method == "fusion":  # which has layers of its own
        return Choice(method or DEFAULT, layer, "as asked for")
    kept = read_json(run, "model.json").get("heatmaps")
    if kept is None:
        found = choose_heatmaps(learn, (method or DEFAULT,))
        return replace(found, reason=f"{found.reason}; chosen now, model.json keeps none")
    if method and method != kept["method"]:
        return Choice(method, kept["layer"], "the method as asked for, the layer as model.json keeps it")
    return Choice(kept["method"], kept["layer"], f"{kept['reason']}; kept in model.json", kept["images"])


def _own_source(recipe: Recipe, fingerprint: str) -> Source:
    source = open_source(recipe.data, recipe.seed, recipe.limit, recipe.holdout)
    if source.fingerprint != fingerprint:
        raise DataError(f"{recipe.data}: its files are not those of the run; name a folder with --data")
    return source


def _folder(root: Path, classes: list[str]) -> Source:
    """The validation split of `root`, or all of it, under the model's classes."""
    root = root.expanduser().absolute()
    train, valid = list_splits(root)
    files = [f.path for f in valid or train]
    unknown = sorted({path.parent.name for path in files} - set(classes))
    if unknown:
        raise DataError(f"{root}: the model has no class {', '.join(unknown)}; it knows {', '.join(classes)}")
    return Source(str(root), files, files, classes, size=0, mirror="", crop=0.0, fingerprint="", stamp="")


def evaluate(run: str | Path, data: str | Path | None = None, tta: bool = False) -> dict:
    """Accuracy and loss of a run's model; `tta` adds `accuracy_tta`, of six views, also to the run's `metrics.json`.

    Args and errors: those of `load_run`.
    """
    learn = load_run(run, data)
    valid_loss, accuracy = learn.validate()
    results = {"accuracy": accuracy, "valid_loss": valid_loss, "valid_images": len(learn.dls.valid.dataset)}
    if tta:
        learn.model = SixViews(learn.model, mirror=learn.recipe.mirror != "none")
        results["accuracy_tta"] = learn.validate()[1]
    if tta and data is None:
        metrics = read_json(Path(run), "metrics.json") | {"accuracy_tta": results["accuracy_tta"]}
        write_json(Path(run) / "metrics.json", metrics)
    return results
