"""The targets of the fuzzing: each way in which the program reads a file, with initial files."""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastai.callback.core import Callback
from hypothesis import strategies as st
from PIL import Image, features
from torch import nn

from callbacks.checkpoint import checkpoint_file
from callbacks.order import RESUME
from data import open_source
from data.check.facts import examine
from data.check.report import check_data
from data.decoding.reading import open_rgb, read_pixels
from data.items import ImageFile
from learners import image_learner, resume_learner
from learners.run_directory.model_files import load_model
from tests.fuzz.mutations import altered, damaged, json_files, tables

SIDE = 16


@dataclass(frozen=True)
class Target:
    """One way in which the program reads a file.

    Attributes:
        name: name of the target.
        path: path to which each file is written.
        read: reads the file as the program does.
        files: contents of the files, nearly all of them damaged.
        settings: settings of a recipe that an error message may name instead of the file.
    """

    name: str
    path: Path
    read: Callable[[Path], Any]
    files: st.SearchStrategy[bytes]
    settings: tuple[str, ...] = ()


class OneLayer(nn.Sequential):
    """A minimal model with batch normalisation, which has running statistics."""

    def __init__(self, n_classes: int, in_channels: int = 3) -> None:
        layers = nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(*layers, nn.Linear(4, n_classes))


def pictures() -> list[bytes]:
    """Returns a small picture in every format, with EXIF data and a colour profile if the format allows them."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    colour, alpha = Image.fromarray(pixels[..., :3]), Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    exif, profile = {"exif": turned.tobytes()}, {"icc_profile": bytes(200)}
    made = [
        *(
            (colour, "JPEG", exif | profile),
            (colour, "JPEG", {"progressive": True}),
            (colour.convert("CMYK"), "JPEG", {}),
        ),
        *((colour, "PNG", {}), (alpha, "PNG", exif | profile), (colour.quantize(), "PNG", {"transparency": 3})),
        *((Image.fromarray(pixels[..., 0].astype(np.uint16) * 257), "PNG", {}), (colour, "GIF", {"save_all": True})),
        *((alpha, "WEBP", exif), (colour, "WEBP", {"lossless": True}), (colour, "BMP", {}), (colour, "TGA", {})),
        *(
            (colour, "TIFF", exif),
            (colour, "TIFF", {"compression": "tiff_lzw"}),
            (alpha, "ICO", {}),
            (colour, "PPM", {}),
        ),
        *((colour, "PCX", {}), (colour, "DIB", {})),
        *([(colour, "AVIF", exif)] if features.check("avif") else []),
        *([(alpha, "JPEG2000", {})] if features.check("jpg_2000") else []),
    ]
    files = []
    for image, form, options in made:
        memory = io.BytesIO()
        image.save(memory, form, **options)
        files.append(memory.getvalue())
    return files


def read_picture(path: Path) -> None:
    """Read a picture as `check`, prediction and training do."""
    examine(ImageFile(str(path.parent), "cat", path.name, 0, 0))
    for read in (lambda: open_rgb(path.read_bytes(), name=str(path)), lambda: read_pixels(path, SIDE)):
        read()
    read_pixels(path, 4)


def make_folder(root: Path) -> Path:
    """Write ten pictures in two classes."""
    for number in range(10):
        path = root / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return root


def table_of(root: Path) -> list[list[str]]:
    paths = sorted(root.rglob("*.png"))
    rows = [[str(path.relative_to(root)), path.parent.name, ("train", "valid")[i % 2]] for i, path in enumerate(paths)]
    return [["file", "label", "split"], *rows]


def read_table(path: Path) -> None:
    check_data(path)
    open_source(path)


class Enough(BaseException):
    """Ends a training. It is not an `Exception`, so no error handler catches it."""


class Stop(Callback):
    """Ends a training after two steps, as soon as their checkpoint is written.

    Attributes:
        steps: number of steps; a class attribute, because instance attributes are part of the checkpoint.
    """

    order = RESUME + 1
    steps = 2

    def before_batch(self) -> None:
        if self.train_iter >= self.steps:
            self.learn.checkpoint.writer.wait()
            raise Enough

    after_train = before_batch


def make_runs(folder: Path, root: Path) -> tuple[Path, Path]:
    """Returns a finished run, and a run with a checkpoint after two of its eight steps."""
    settings = {"model": "one-layer", "size": SIDE, "epochs": 2, "batch_size": 2, "device": "cpu", "workers": 1}
    finished, stopped = root / "finished", root / "stopped"
    image_learner(folder, out=finished, **settings).fit_recipe()
    with suppress(Enough):
        image_learner(folder, out=stopped, cbs=[Stop()], **settings).fit_recipe(checkpoint_minutes=0)
    return finished, stopped


StopAtOnce = type(
    "Stop", (Stop,), {"steps": 0}
)  # stops before any step; a checkpoint identifies a callback by the name of its class


def resume(path: Path) -> None:
    """Resume a run as `--resume` does, and stop when the checkpoint is loaded."""
    with suppress(Enough):
        resume_learner(path.parent, cbs=[StopAtOnce()]).fit_recipe()


def state_files(state: dict[str, Any], scratch: Path) -> st.SearchStrategy[bytes]:
    """Returns checkpoints of an altered state with a valid checksum."""

    def written(other: Any) -> bytes:
        checkpoint_file.write_state(scratch, other)
        return scratch.read_bytes()

    return altered(state).map(written)


def resealed(data: bytes) -> bytes:
    """Returns the bytes with a valid checksum."""
    return checkpoint_file._with_digest(data + bytes(2))


def make_targets(root: Path) -> dict[str, Target]:
    """Returns all targets by name, with their files below `root`."""
    folder = make_folder(root / "pictures")
    finished, stopped = make_runs(folder, root)
    recipe, model = (json.loads(path.read_text()) for path in (stopped / "recipe.json", finished / "model.json"))
    weights, place = finished / "model.safetensors", stopped / "checkpoint.pt"
    checkpoint, state = place.read_bytes(), checkpoint_file.read_state(place)
    found = [
        Target("picture", root / "picture.png", read_picture, st.sampled_from(pictures()).flatmap(damaged)),
        Target("table", folder / "labels.csv", read_table, table_files(folder)),
        Target("recipe", stopped / "recipe.json", resume, json_files(recipe), ("`data`", "`model`")),
        Target("model", finished / "model.json", lambda path: load_model(path.parent), json_files(model)),
        Target("weights", weights, lambda path: load_model(path.parent), damaged(weights.read_bytes())),
        Target("checkpoint", place, resume, damaged(checkpoint)),
        Target("sealed archive", place, resume, damaged(checkpoint[: -checkpoint_file.ZIP_COMMENT.size]).map(resealed)),
        Target("sealed state", place, resume, state_files(state, root / "scratch.pt")),
    ]
    return {target.name: target for target in found}


def table_files(folder: Path) -> st.SearchStrategy[bytes]:
    rows = table_of(folder)
    text = "\n".join(",".join(row) for row in rows).encode()
    return st.one_of(tables(rows), damaged(text))
