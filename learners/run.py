"""The run directory: what a run leaves behind (the table in the README names its files)."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors.torch import save

from callbacks.checkpoint.archive import CheckpointError, read_state, remove_drafts
from callbacks.checkpoint.state import FORMAT
from data.common.errors import InputError, TrainingError
from data.common.files import replacing, write_csv, write_json
from learners.device import precision
from learners.provenance import commit, versions
from learners.recipe import Recipe

log = logging.getLogger(__name__)

LOCK, CHECKPOINT = ".lock", "checkpoint.pt"
BEFORE = {"decay": "cosine"}  # what runs did before these settings existed, where that is not the default
FREE = ("device", "workers", "cache", "graph")  # settings that do not change the result: a run may go on with others


class RunDirectoryError(InputError):
    """The run directory cannot be used."""


def next_run(data: str, runs: Path = Path("runs")) -> Path:
    """`runs/<data>-<n>` with the first number that is free."""
    name = Path(data).name or "run"
    return next(path for n in count(1) if not (path := runs / f"{name}-{n}").exists())


def check_free(out: Path) -> Path:
    """`out` itself, if a new run can have it.

    Raises:
        RunDirectoryError: it is a file, or a directory that holds something.
    """
    if out.exists() and not out.is_dir():
        raise RunDirectoryError(f"{out} is a file; name a new directory with --out")
    if out.is_dir() and any(path.name != LOCK for path in out.iterdir()):
        hint = f", or go on with its run: --resume {out}" if (out / "recipe.json").exists() else ""
        raise RunDirectoryError(f"{out} is not empty; name a new directory with --out{hint}")
    return out


@contextmanager
def claimed(out: Path, new: bool = True) -> Iterator[None]:
    """Hold the run directory, and make it if it is `new`; the system lifts the lock of a process that is killed.

    Raises:
        RunDirectoryError: another process holds it, it cannot be written, or it should be new and is not empty.
    """
    lock = FileLock(out / LOCK)
    with _writing(out):
        if new:
            out.mkdir(parents=True, exist_ok=True)
        _acquire(lock, out)
    try:
        if new:
            check_free(out)
        remove_drafts(out)
        yield
    finally:
        lock.release()


def _acquire(lock: FileLock, out: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunDirectoryError(f"{out} is in use by another process; wait until that ends") from None


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunDirectoryError(
            f"{out} cannot be written ({error.strerror}); mend that, or name another directory with --out"
        ) from error


def write_recipe(learn, out: Path) -> None:
    """`recipe.json`: all that went into the run."""
    source = learn.dls.source
    description = {
        **learn.recipe.to_dict(),
        "device": str(learn.dls.device),
        "precision": precision(learn.dls.device),
        "train_images": len(source.train_files),
        "valid_images": len(source.valid_files),
        "classes": list(learn.dls.vocab),
        "fingerprint": source.fingerprint,
        "versions": versions(),
        "commit": commit(),
    }
    with _writing(out):
        write_json(out / "recipe.json", description)


def read_json(run: Path, name: str) -> dict:
    """One of the JSON files of a run.

    Raises:
        RunDirectoryError: it is not there or cannot be read.
    """
    try:
        return json.loads((run / name).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunDirectoryError(
            f"{run / name}: cannot be read ({error.strerror}); name the directory of a run"
        ) from error
    except ValueError as error:
        raise RunDirectoryError(f"{run / name}: no JSON ({error}); put a good copy in its place") from error


def read_recipe(facts: dict) -> Recipe:
    """The recipe in what `recipe.json` holds. A setting that it lacks has its default, or its value in `BEFORE`."""
    known = {f.name: facts[f.name] for f in fields(Recipe) if f.name in facts}
    return Recipe.of(**BEFORE | known)


def load_checkpoint(learn, out: Path) -> dict | None:
    """The state to go on from; None where the run ended before its first checkpoint.

    Raises:
        CheckpointError: a file that cannot be trusted, or that belongs to another recipe.
    """
    path = out / CHECKPOINT
    if not path.exists():
        log.warning("%s has no checkpoint yet: the run begins again", out)
        return None
    state = read_state(path)
    if state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: of another version of this program; go on with that one, or begin a new run")
    ours, theirs = learn.recipe.to_dict(), state["recipe"]
    other = [name for name in ours if name not in FREE and ours[name] != theirs.get(name)]
    if other:
        raise CheckpointError(f"{path}: its run had another {', '.join(other)} than recipe.json; undo what was changed")
    return state


def write_results(learn, epochs: list[dict], steps: list[dict], costs: dict) -> dict:
    """The run's metrics; with a run directory also all its result files.

    Args:
        epochs: rows of `History`.
        steps: rows of `ScheduleRecord`.
        costs: further metrics.

    Raises:
        TrainingError: they cannot be written.
    """
    results = metrics(learn, epochs) | costs
    if learn.out:
        try:
            _write_files(learn, learn.out, epochs, steps, results)
        except OSError as error:
            raise TrainingError(
                f"the results cannot be written to {learn.out} ({error.strerror or error}); free space or mend the "
                f"folder, then: python app.py fit --resume {learn.out}"
            ) from error
    return results


def _write_files(learn, out: Path, epochs: list[dict], steps: list[dict], results: dict) -> None:
    """The CSVs once more, for their last write may have failed; `metrics.json` last: where it is, all is."""
    from callbacks.training import history, schedule
    from callbacks.curves import plot_curves

    write_csv(out / "history.csv", history.COLUMNS, epochs)
    write_csv(out / "schedule.csv", schedule.COLUMNS, steps)
    write_model(learn, out)
    with replacing(out / "curves.png") as draft:
        plot_curves(epochs, steps).savefig(draft, dpi=150)
    write_json(out / "metrics.json", results)


def metrics(learn, epochs: list[dict]) -> dict:
    """What the run measured; the accuracy is that of the last epoch, without test-time augmentation."""
    last, source = epochs[-1], learn.dls.source
    trained = sum(row["train_seconds"] for row in epochs)
    return {
        "accuracy": last["accuracy"],
        "valid_loss": last["valid_loss"],
        "epochs": learn.recipe.epochs,
        "peak_epoch": learn.recipe.peak_epoch,
        "parameters": sum(p.numel() for p in learn.model.parameters()),
        "train_images": len(source.train_files),
        "valid_images": len(source.valid_files),
        "images_per_second": sum(row["images"] for row in epochs) / trained,
        "seconds": sum(row["seconds"] for row in epochs),
        "seed": learn.recipe.seed,
        "data": learn.recipe.data,
        "device": str(learn.dls.device),
    }


def write_model(learn, out: Path) -> None:
    """`model.safetensors`, and in `model.json` what its user needs.

    That is: architecture, classes, size, normalisation, and which heatmaps explain this model best.
    """
    from learners.heatmaps import choose_heatmaps  # imports fastai, which `evaluate` does without

    weights = {name: tensor.contiguous() for name, tensor in learn.model.state_dict().items()}
    with replacing(out / "model.safetensors") as draft:
        draft.write_bytes(save(weights))  # its `save_file` hides a full disk in an error of its own
    description = {
        "architecture": type(learn.model).__name__,
        "classes": list(learn.dls.vocab),
        "size": learn.recipe.size,
        "channels": 3,
        "mean": learn.dls.stats.mean,
        "std": learn.dls.stats.std,
        "heatmaps": asdict(choose_heatmaps(learn)),
    }
    write_json(out / "model.json", description)
