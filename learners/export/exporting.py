"""Export the model of a run, and keep the file only if its probabilities equal those of the model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from data.common.errors import TrainingError
from data.common.files import replacing, write_json
from learners.export.compare import Compared, compare, images_to_compare
from learners.export.formats import ExportError, find_format
from learners.prediction.end_to_end import EndToEnd
from learners.run_directory.model_files import SavedModel, load_model

FOLDER = "export"  # default folder, within the run directory
INPUT = (
    "pixels: uint8, N×{0}×{0}×3, RGB, any N. The shorter side of an upright sRGB image is resized to {0} with an "
    "antialiased bilinear filter (Pillow's ImageOps.fit with BILINEAR) and the centre is cropped; values from 0 to 255"
)
OUTPUT = "probabilities: float32, N×{0}, in the order of `classes`, after normalisation, net, temperature and softmax"


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        out: the file.
        format: name of its format.
        compared: result of the comparison with the model.
        facts: metadata of the model, which the file holds, too; see `facts_of`.
    """

    out: Path
    format: str
    compared: Compared
    facts: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """Return file, format and comparison in plain values, without the metadata."""
        return {"out": str(self.out), "format": self.format, **asdict(self.compared)}

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes in plain values."""
        return self.summary() | {"facts": self.facts}


def export(
    run: str | Path, format: str = "onnx", out: str | Path | None = None, model: nn.Module | None = None
) -> Exported:
    """Write the model of a finished run as a file that needs neither this project nor the run.

    The file maps pixels to probabilities: normalisation, temperature and softmax are part of it, except in safetensors,
    which holds the weights alone. Resizing is not part of it, so that any image library can do it; the metadata say
    how. Before the file is kept it is compared with the model, in single precision on the CPU; the result is written
    to `<file>.json`.

    Args:
        run: the run directory.
        format: onnx, torch-export, safetensors, or another name in `FORMATS`.
        out: the file to write; by default `export/model` in the run, with the suffix of the format.
        model: the net to load the weights into, if its architecture is not registered.

    Raises:
        ExportError: the format is unknown, a package is missing, or the file cannot be written.
        RunDirectoryError: see `load_model`.
        TrainingError: the net cannot be exported, or the file's probabilities differ from those of the model.
    """
    kind, saved = find_format(format), load_model(run, model)
    path = Path(out) if out else Path(run) / FOLDER / f"model{kind.suffix}"
    _check_place(path, Path(run))
    net, facts = EndToEnd(saved).eval(), facts_of(saved)
    pixels, source = images_to_compare(Path(run), saved.size, model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            with _exportable(format):
                kind.write(net, saved.size, facts, draft)
            compared = compare(kind.load(draft, net), net, pixels, source)
            compared.require_equal()
        exported = Exported(path, format, compared, facts)
        write_json(path.with_name(f"{path.name}.json"), exported.to_dict())
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror or error}); name another `out`") from error
    return exported


@contextmanager
def _exportable(format: str) -> Iterator[None]:
    """In this context an error of torch becomes a message that the net cannot be exported.

    torch cannot make a graph of a net whose control flow depends on the values of an image.
    """
    try:
        yield
    except RuntimeError as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TrainingError(f"{format}: the net cannot be exported ({reason}); try `format` safetensors") from error


def _check_place(path: Path, run: Path) -> None:
    if path.is_dir():
        raise ExportError(f"{path} is a folder; name a file as `out`")
    if path.parent.resolve() == run.resolve() and path.name in ("model.safetensors", "model.json"):
        raise ExportError(f"{path} is a file of the run itself; name another file as `out`")


def facts_of(saved: SavedModel) -> dict[str, Any]:
    """Return the metadata that a user of the file needs, in plain values."""
    return {
        "classes": saved.classes,
        "size": saved.size,
        "mean": saved.stats.mean,
        "std": saved.stats.std,
        "temperature": saved.temperature,
        "architecture": saved.architecture,
        "input": INPUT.format(saved.size),
        "output": OUTPUT.format(len(saved.classes)),
    }
