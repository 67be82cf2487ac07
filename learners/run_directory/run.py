"""The run directory: its files, its lock, and its checks. The table in the README names the files."""

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
from learners.run_directory.run_files import validated, validated_recipe
from learners.setting import with_current_names

log = logging.getLogger(__name__)

LOCK_FILE = ".lock"
LEARNER_FOLDER = "learner"  # folder for the files that a session saves itself, as with `learn.save`
RESTORE_HINT = "restore the file from a backup, or start a new run"
FORMER_DEFAULTS = {"decay": "cosine"}  # values of settings that newer programs added, in runs from before that
CHANGEABLE_ON_RESUME = ("device", "workers", "cache", "graph", "log")  # settings that do not affect the result


class RunDirectoryError(InputError):
    """The run directory cannot be used."""


class Run:
    """The directory of a run.

    Attributes:
        path: the directory.
        new: the run has no checkpoint yet; its directory is created when training begins.
    """

    def __init__(self, path: Path, new: bool) -> None:
        self.path, self.new = path, new

    @classmethod
    def create(cls, path: str | Path) -> "Run":
        """Return a new run; its directory is created when training begins.

        Raises:
            RunDirectoryError: the path is a file or a directory that is not empty.
        """
        return cls(check_free(Path(path)), new=True)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Return the run of an existing directory.

        Raises:
            RunDirectoryError: the directory has no valid `recipe.json`.
        """
        run = cls(Path(path), new=False)
        run.read_json("recipe.json")
        return run

    @property
    def checkpoint(self) -> Path:
        """The path of the checkpoint."""
        return self.path / "checkpoint.pt"

    @property
    def learner(self) -> Path:
        """The folder in which `learn.save`, `learn.export` and callbacks of fastai write: `learn.path`."""
        return self.path / LEARNER_FOLDER

    @contextmanager
    def learner_folder(self) -> Iterator[None]:
        """Create the folder `learner` for this context, and remove it afterwards if it is empty."""
        created = [folder for folder in (self.learner, *self.learner.parents) if not folder.exists()]
        with suppress(OSError):  # a write into the folder will then fail with an error of its own
            self.learner.mkdir(parents=True, exist_ok=True)
        try:
            yield
        finally:
            with suppress(OSError):  # the folder is not empty
                for folder in created:
                    folder.rmdir()

    @property
    def has_begun(self) -> bool:
        """Whether the directory holds a run: `recipe.json` is the first file that is written."""
        return (self.path / "recipe.json").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run is complete: `metrics.json` is the last file that is written."""
        return (self.path / "metrics.json").exists()

    @property
    def description(self) -> dict[str, Any]:
        """The content of `recipe.json`: settings under their current names, data, versions and device."""
        return with_current_names(self.read_json("recipe.json"))

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run. A setting that `recipe.json` lacks has its former default, or the current one.

        Raises:
            RunDirectoryError: `recipe.json` cannot be read, or a setting has an invalid value.
        """
        stored = self.description
        try:
            return validated_recipe(
                FORMER_DEFAULTS | {f.name: stored[f.name] for f in fields(Recipe) if f.name in stored}
            )
        except ValueError as error:
            raise RunDirectoryError(
                f"{self.path / 'recipe.json'}: has invalid content ({error}); {RESTORE_HINT}"
            ) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """Return the content of one of the run's JSON files.

        Raises:
            RunDirectoryError: the file is missing, cannot be read, or has invalid content.
        """
        path = self.path / name
        try:
            return validated(name, json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise RunDirectoryError(
                f"{path}: cannot be read ({error.strerror}); name the directory of a run"
            ) from error
        except (ValueError, RecursionError) as error:
            raise RunDirectoryError(f"{path}: has invalid content ({error}); {RESTORE_HINT}") from error

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock the directory, and create it if the run is new; the system releases the lock of a killed process.

        Raises:
            RunDirectoryError: another process has the lock, the directory cannot be written, or it should be empty.
        """
        lock = FileLock(self.path / LOCK_FILE)
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
            self.new = not self.checkpoint.exists()  # with a checkpoint the next fit resumes the run
            lock.release()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path} cannot be written ({error.strerror}); fix that, or name another directory as `out`"
            ) from error

    def write_description(self, description: dict[str, Any]) -> None:
        """Write `recipe.json`."""
        with self._writing():
            write_json(self.path / "recipe.json", description)

    def withdraw(self) -> None:
        """Remove `recipe.json` if a new run ended before its first step, so that its directory can be used again."""
        if self.new and not self.checkpoint.exists() and "precision" not in self.description:
            (self.path / "recipe.json").unlink()

    def read_checkpoint(self, plan: Plan) -> dict[str, Any] | None:
        """Return the state to resume from, or None if the run ended before its first checkpoint.

        Raises:
            CheckpointError: the file is damaged, or its recipe is not that of the run.
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
            ours, theirs = plan.to_dict(), with_current_names(validated("checkpoint.pt", state)["recipe"])
        except ValueError as error:
            raise CheckpointError(f"{self.checkpoint}: has invalid content ({error}); {RESTORE_HINT}") from error
        compared = theirs.keys() & ours.keys() - set(CHANGEABLE_ON_RESUME)  # a checkpoint may be older than a setting
        differing = [name for name in ours if name in compared and ours[name] != theirs[name]]
        if differing:
            raise CheckpointError(f"{self.checkpoint}: {', '.join(differing)} differs from recipe.json; restore it")
        return state

    @contextmanager
    def results(self) -> Iterator[None]:
        """In this context an error while writing the results says how to resume the run.

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
    """Return `runs/<data>-<n>` with the first number `n` whose path does not exist."""
    name = Path(data).stem or "run"
    return next(path for n in count(1) if not (path := runs / f"{name}-{n}").exists())


def check_free(out: Path) -> Path:
    """Return `out` if it can be the directory of a new run.

    Raises:
        RunDirectoryError: `out` is a file, or a directory with more in it than the files that a session saved.
    """
    try:
        if out.exists() and not out.is_dir():
            raise RunDirectoryError(f"{out} is a file; name a new directory as `out`")
    except OSError as error:  # the path is too long, or in a folder without permission to read
        raise RunDirectoryError(f"{out}: cannot be read ({error.strerror}); name another `out`") from error
    if out.is_dir() and any(path.name not in (LOCK_FILE, LEARNER_FOLDER) for path in out.iterdir()):
        hint = f", or resume its run: resume_learner('{out}')" if (out / "recipe.json").exists() else ""
        raise RunDirectoryError(f"{out} is not empty; name a new directory as `out`{hint}")
    return out


def add_precision(path: Path, precision: str) -> None:
    """Add the precision that was observed in the first training step to `recipe.json`, which is at `path`."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | {"precision": precision})


def _acquire(lock: FileLock, out: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunDirectoryError(f"{out} is in use by another process; wait until that process ends") from None
