"""A trained model as two files: `model.safetensors` and, in `model.json`, what its user needs to know."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from data.cache import Stats
from data.common.files import replacing, write_json
from learners.models import MODELS
from learners.run import Run, RunDirectoryError

FORMAT = 2  # of `model.json`; files without a number are of format 1


@dataclass(frozen=True)
class SavedModel:
    """A trained model.

    Attributes:
        model: on the CPU, in eval mode.
        classes: the name of each logit.
        stats: what its images are normalised with.
        architecture: its name in the registry of models, or its class where it is not registered.
        size: side of its images, in pixels.
        temperature: what its logits are divided by before they become probabilities; 1 where none was fitted.
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
    """Write both files into `folder`.

    Args:
        architecture: its name in the registry of models.
        classes: the name of each logit.
        size: side of the images, in pixels.
        stats: what the images were normalised with.
        more: further entries of `model.json`.

    Raises:
        OSError: a file cannot be written.
    """
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replacing(folder / "model.safetensors") as draft:
        draft.write_bytes(save(weights))  # its `save_file` hides a full disk in an error of its own
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
    """The model of a finished run.

    Args:
        run: its directory.
        model: the net to load the weights into, where its architecture is not a registered one.

    Raises:
        RunDirectoryError: there is no such run, it is not finished, its architecture is unknown, or its files are
            damaged.
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
            f"{path} is damaged, or not of the architecture {description['architecture']} "
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
        name = name.lower()  # it was the name of the class
    if name not in MODELS:
        raise RunDirectoryError(
            f"{run / 'model.json'}: unknown architecture {name!r}; this program has {', '.join(sorted(MODELS))}; "
            "import the file that registers it, or pass the net as `model`"
        )
    return MODELS[name](len(description["classes"]), description["channels"])
