"""A trained model as two files: the weights in `model.safetensors`, and its description in `model.json`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from data.common.files import replacing, write_json
from data.decoding.cache import Stats
from learners.models import MODELS
from learners.run_directory.run import Run, RunDirectoryError

FORMAT = 2  # version of `model.json`; files without a version have version 1


@dataclass(frozen=True)
class SavedModel:
    """A trained model and its description.

    Attributes:
        model: the net, on the CPU and in eval mode.
        classes: class name of each logit.
        stats: mean and standard deviation that images are normalised with.
        architecture: name in the registry of models, or the class name of a net that is not registered.
        size: side of the images, in pixels.
        temperature: number that logits are divided by before the softmax; 1 if none was fitted.
    """

    model: nn.Module
    classes: list[str]
    stats: Stats
    architecture: str
    size: int
    temperature: float


def write_model(
    folder: Path, model: nn.Module, architecture: str, classes: Sequence[str], size: int, stats: Stats, **more: Any
) -> None:
    """Write `model.safetensors` and `model.json` into `folder`.

    Args:
        folder: the run directory.
        model: the net.
        architecture: name in the registry of models, or a class name.
        classes: class name of each logit.
        size: side of the images, in pixels.
        stats: mean and standard deviation that images are normalised with.
        more: further entries of `model.json`.

    Raises:
        OSError: a file cannot be written.
    """
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replacing(folder / "model.safetensors") as draft:
        draft.write_bytes(save(weights))  # `save_file` would raise an error of its own instead of OSError
    description = {
        "format": FORMAT,
        "architecture": architecture,
        "classes": list(classes),
        "size": size,
        "channels": 3,
        "mean": stats.mean,
        "std": stats.std,
    }
    write_json(folder / "model.json", description | more)


def load_model(run: str | Path, model: nn.Module | None = None) -> SavedModel:
    """Load the model of a finished run.

    Args:
        run: the run directory.
        model: the net to load the weights into, if its architecture is not registered.

    Raises:
        RunDirectoryError: there is no run, it is not finished, its architecture is unknown, or a file is damaged.
    """
    run = Path(run)
    description = Run(run, new=False).read_json("model.json")
    path = run / "model.safetensors"
    net = model if model is not None else _build(run, description)
    try:
        net.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise RunDirectoryError(f"{path} is missing; name the directory of a finished run") from None
    except (SafetensorError, RuntimeError) as error:
        raise RunDirectoryError(
            f"{path} is damaged, or its weights are not those of the architecture {description['architecture']} "
            f"({str(error).splitlines()[0]}); restore it from a backup, or train again"
        ) from error
    stats = Stats(tuple(description["mean"]), tuple(description["std"]))
    return SavedModel(
        model=net.eval(),
        classes=description["classes"],
        stats=stats,
        architecture=description["architecture"],
        size=description["size"],
        temperature=description.get("temperature", 1.0),
    )


def _build(run: Path, description: dict[str, Any]) -> nn.Module:
    name, format_ = description["architecture"], description.get("format", 1)
    if format_ > FORMAT:
        raise RunDirectoryError(f"{run / 'model.json'}: format {format_} is newer than this program; update it")
    if format_ == 1:
        name = name.lower()  # format 1 has the class name, ResNet18
    if name not in MODELS:
        raise RunDirectoryError(
            f"{run / 'model.json'}: unknown architecture {name!r} (known: {', '.join(sorted(MODELS))}); "
            "import the file that registers it, or pass the net as `model`"
        )
    return MODELS[name](len(description["classes"]), description["channels"])
