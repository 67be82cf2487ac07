"""The run directory: what a run leaves behind. The table in the README names its files."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from callbacks.checkpoint.checkpoint_file import FORMAT_VERSION, CheckpointError, read_state, remove_drafts
from data.common.errors import InputError, TrainingError
from data.common.files import write_json
from learners.recipe import Plan, Recipe
from learners.run_files import validated, validated_recipe

log = logging.getLogger(__name__)

LOCK = ".lock"
LEARNER = "learner"  # the folder for what a session saves by itself
RESTORE = "restore the file from a backup, or start a new run"
BEFORE = {"decay": "cosine"}  # what runs did before these settings existed, where that is not the default
CHANGEABLE = ("device", "workers", "cache", "graph", "log")  # settings that do not change the result


class RunDirectoryError(InputError):
    """The run directory cannot be used."""


class Run:
    """A run directory.

    Attributes:
        path: the directory.
        new: the run has no checkpoint yet, and its directory is made when it begins.
    """

    def __init__(self, path: Path, new: bool) -> None:
        self.path, self.new = path, new

    @classmethod
    def create(cls, path: str | Path) -> "Run":
        """A new run; its directory is made when the run begins.

        Raises:
            RunDirectoryError: the path is a file, or a directory that holds something.
        """
        return cls(check_free(Path(path)), new=True)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """A run that has begun.

        Raises:
            RunDirectoryError: there is no run in this directory.
        """
        run = cls(Path(path), new=False)
        run.read_json("recipe.json")
        return run

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def learner(self) -> Path:
        """The folder in which `learn.save`, `learn.export` and callbacks of fastai write: `learn.path`."""
        return self.path / LEARNER

    @contextmanager
    def learner_folder(self) -> Iterator[None]:
        """In this context there is the folder `learner`, if it can be made; afterwards only if it holds something."""
        made = [folder for folder in (self.learner, *self.learner.parents) if not folder.exists()]
        with suppress(OSError):  # whoever writes there will say so
            self.learner.mkdir(parents=True, exist_ok=True)
        try:
            yield
        finally:
            with suppress(OSError):  # it holds something
                for folder in made:
                    folder.rmdir()

    @property
    def has_begun(self) -> bool:
        """Whether the directory is that of a run: `recipe.json` is written first."""
        return (self.path / "recipe.json").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run is complete: `metrics.json` is written last."""
        return (self.path / "metrics.json").exists()

    @property
    def description(self) -> dict[str, Any]:
        """What `recipe.json` holds: the recipe, and what else went into the run."""
        return self.read_json("recipe.json")

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run. A setting that `recipe.json` lacks has its default, or its value in `BEFORE`.

        Raises:
            RunDirectoryError: `recipe.json` cannot be read, or holds a setting that no run can have.
        """
        stored = self.description
        try:
            return validated_recipe(BEFORE | {f.name: stored[f.name] for f in fields(Recipe) if f.name in stored})
        except ValueError as error:
            raise RunDirectoryError(
                f"{self.path / 'recipe.json'}: does not hold what it must ({error}); {RESTORE}"
            ) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """One of the JSON files of the run.

        Raises:
            RunDirectoryError: the file is missing, cannot be read, or does not hold what it must.
        """
        path = self.path / name
        try:
            return validated(name, json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise RunDirectoryError(
                f"{path}: cannot be read ({error.strerror}); name the directory of a run"
            ) from error
        except (ValueError, RecursionError) as error:
            raise RunDirectoryError(f"{path}: does not hold what it must ({error}); {RESTORE}") from error

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the directory, and make it if it is new; the system releases the lock of a process that is killed.

        Raises:
            RunDirectoryError: another process holds it, it cannot be written, or it should be new and is not empty.
        """
        lock = FileLock(self.path / LOCK)
        with self._writing():
            if self.new:
                self.path.mkdir(parents=True, exist_ok=True)
            _acquire(lock, self.path)
        try:
            if self.new:
                check_free(self.path)
            remove_drafts(self.path)
            yield
        finally:
            self.new = not self.checkpoint.exists()  # from then on the run is resumed
            lock.release()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path} cannot be written ({error.strerror}); correct that, or name another directory as `out`"
            ) from error

    def write_description(self, description: dict[str, Any]) -> None:
        """Write `recipe.json`."""
        with self._writing():
            write_json(self.path / "recipe.json", description)

    def withdraw(self) -> None:
        """Remove `recipe.json` of a new run that ended before its first step, so that it can be begun again."""
        if self.new and not self.checkpoint.exists() and "precision" not in self.description:
            (self.path / "recipe.json").unlink()

    def read_checkpoint(self, plan: Plan) -> dict[str, Any] | None:
        """The state to resume from; None where the run ended before its first checkpoint.

        Raises:
            CheckpointError: a file that is damaged, or that belongs to another recipe.
        """
        if not self.checkpoint.exists():
            log.warning("%s has no checkpoint yet: the run starts again", self.path)
            return None
        state = read_state(self.checkpoint)
        if not isinstance(state, dict) or state.get("format") != FORMAT_VERSION:
            raise CheckpointError(
                f"{self.checkpoint}: written by another version of this program; resume with that version, or start a "
                "new run"
            )
        try:
            ours, theirs = plan.to_dict(), validated("checkpoint.pt", state)["recipe"]
        except ValueError as error:
            raise CheckpointError(f"{self.checkpoint}: does not hold what it must ({error}); {RESTORE}") from error
        known = [name for name in ours if name in theirs and name not in CHANGEABLE]  # it may be older than a setting
        other = [name for name in known if ours[name] != theirs[name]]
        if other:
            raise CheckpointError(
                f"{self.checkpoint}: its run had another {', '.join(other)} than recipe.json; restore recipe.json"
            )
        return state

    @contextmanager
    def results(self) -> Iterator[None]:
        """Name the run to resume when its results cannot be written.

        Raises:
            TrainingError: a file could not be written.
        """
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"the results cannot be written to {self.path} ({error.strerror or error}); free space or correct the "
                f"permissions, then: resume_learner('{self.path}')"
            ) from error


def next_run(data: str, runs: Path = Path("runs")) -> Path:
    """`runs/<data>-<n>` with the first number that is free."""
    name = Path(data).stem or "run"
    return next(path for n in count(1) if not (path := runs / f"{name}-{n}").exists())


def check_free(out: Path) -> Path:
    """`out` itself, if a new run can have it.

    Raises:
        RunDirectoryError: it is a file, or a directory that holds something other than what a session saved there.
    """
    try:
        if out.exists() and not out.is_dir():
            raise RunDirectoryError(f"{out} is a file; name a new directory as `out`")
    except OSError as error:  # too long, or in a folder that may not be looked into
        raise RunDirectoryError(f"{out}: cannot be looked at ({error.strerror}); name another as `out`") from error
    if out.is_dir() and any(path.name not in (LOCK, LEARNER) for path in out.iterdir()):
        hint = f", or resume its run: resume_learner('{out}')" if (out / "recipe.json").exists() else ""
        raise RunDirectoryError(f"{out} is not empty; name a new directory as `out`{hint}")
    return out


def note_precision(path: Path, precision: str) -> None:
    """Add to `recipe.json`, which is at `path`, the precision that was observed in the first training step."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"precision": precision})


def _acquire(lock: FileLock, out: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunDirectoryError(f"{out} is in use by another process; wait until that ends") from None
