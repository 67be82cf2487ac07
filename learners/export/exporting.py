"""Export the model of a run, and keep the file only if it answers as the run does."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from data.common.errors import TrainingError
from data.common.files import replacing, write_json
from learners.end_to_end import EndToEnd
from learners.export.compare import Compared, compare, images_to_compare
from learners.export.formats import ExportError, find_format
from learners.model_files import SavedModel, load_model

FOLDER = "export"  # in the run directory, where no other place is named
INPUT = (
    "pixels: uint8, N×{0}×{0}×3, RGB, any N. The shorter side of an upright sRGB image is resized to {0} with an "
    "antialiased bilinear filter (Pillow's ImageOps.fit with BILINEAR) and the centre is cropped; values from 0 to 255"
)
OUTPUT = "probabilities: float32, N×{0}, in the order of `classes`, after normalisation, net, temperature and softmax"


@dataclass(frozen=True)
class Exported:
    """What an export left.

    Attributes:
        out: the file.
        format: of the file.
        compared: how it was compared with the run.
        facts: what a user of the file has to know; they are in the file, too.
    """

    out: Path
    format: str
    compared: Compared
    facts: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """What a person wants to see first."""
        return {"out": str(self.out), "format": self.format, **asdict(self.compared)}

    def to_dict(self) -> dict[str, Any]:
        """All of it, in plain values."""
        return self.summary() | {"facts": self.facts}


def export(
    run: str | Path, format: str = "onnx", out: str | Path | None = None, model: nn.Module | None = None
) -> Exported:
    """Write the model of a finished run as a file that needs neither this project nor the run.

    Bytes go in and probabilities come out: normalisation, temperature and softmax are part of the graph. Resizing is
    not, so that any image library can do it; the facts in the file say how. The file is compared with the model, in
    single precision on the CPU, before it takes its name; the result is beside it, as `<file>.json`.

    Args:
        run: its directory.
        format: onnx, torch-export, safetensors, or another name in `FORMATS`.
        out: the file; by default `export/model.onnx` in the run, or with the suffix of the format.
        model: a net for the weights, where its architecture is not a registered one.

    Raises:
        ExportError: an unknown format, a package that is missing, or a place that cannot be written.
        RunDirectoryError: see `load_model`.
        TrainingError: the net cannot be exported, or the file does not answer as the model does; it is not kept.
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
    """Say so where torch cannot make a graph of the net, as of one whose layers depend on what an image shows."""
    try:
        yield
    except RuntimeError as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TrainingError(f"{format}: the net cannot be exported ({reason}); try `format` safetensors") from error


def _check_place(path: Path, run: Path) -> None:
    if path.is_dir():
        raise ExportError(f"{path} is a folder; name a file as `out`")
    if path.parent.resolve() == run.resolve() and path.name in ("model.safetensors", "model.json"):
        raise ExportError(f"{path} is a file of the run itself; name another as `out`")


def facts_of(saved: SavedModel) -> dict[str, Any]:
    """What a user of the file has to know, in plain values."""
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
