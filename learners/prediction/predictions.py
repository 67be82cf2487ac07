"""Predict the classes of image files, and write a table and figures of the predictions: the command `predict`."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.common.errors import DataError, InputError, TrainingError
from data.common.files import write_csv
from data.named_images import named_images
from learners.prediction.evidence import Evidence, EvidencePictures
from learners.prediction.predictor import GUESSES, Answer, Predictor, Unreadable

log = logging.getLogger(__name__)

COLUMNS = ["image", "label", *(f"{what}_{n + 1}" for n in range(GUESSES) for what in ("class", "probability"))]


@dataclass(frozen=True)
class Predictions:
    """The predictions for image files.

    Attributes:
        answers: one per readable file, in the order of the files; empty if they were passed to `answered` instead.
        unreadable: one message per file that could not be read, with its name.
    """

    answers: list[Answer] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the predictions in plain values."""
        return {"answers": [answer.to_dict() for answer in self.answers], "unreadable": self.unreadable}


def predict(
    run: Path,
    images: Iterable[str],
    answered: Callable[[Answer], None] | None = None,
    *,
    min_confidence: float = 0.0,
    csv: Path | None = None,
    cam: Path | None = None,
) -> Predictions:
    """Predict the classes of image files. Files that cannot be read are logged and skipped.

    Args:
        run: the directory of a finished run.
        images: files, folders, patterns or `-`; see `named_images`.
        answered: called with each answer as soon as it is known. The answers are then not collected, so that memory
            does not grow with their number.
        min_confidence: a probability; the label of answers below it is `unsure`.
        csv: a file to write, with one row per answer.
        cam: a folder for one figure per answer; see `EvidencePictures`.

    Raises:
        InputError: `csv` or `cam` cannot be written.
        DataError: no image could be read; no table is written.
        TrainingError: writing a file failed, for example because the disk is full.
    """
    predictor, found = Predictor(run, min_confidence), Predictions()
    pictures = EvidencePictures(Evidence(run, predictor), _writable_folder(cam)) if cam else None
    if csv and csv.is_dir():
        raise InputError(f"{csv} is a folder; name a file as `csv`")
    if csv:
        _writable_folder(csv.absolute().parent)

    def unreadable(error: DataError) -> None:
        log.error("%s", error)
        found.unreadable.append(str(error))

    answers = _answers(predictor, named_images(images), unreadable, pictures)
    passed_on = _passed_on(answers, answered or found.answers.append)
    with _naming_write_errors():
        if csv:
            write_csv(csv, COLUMNS, map(_row, passed_on))
        else:
            for _ in passed_on:
                pass
    return found


def _writable_folder(folder: Path) -> Path:
    """Create the folder if it does not exist, and return it if it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be created ({error.strerror}); name another folder") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: cannot be written; fix its permissions, or name another folder")
    return folder


def _answers(
    predictor: Predictor, paths: Iterable[str], unreadable: Unreadable, pictures: EvidencePictures | None
) -> Iterator[Answer]:
    for batch in predictor.batches(paths, unreadable):
        answers = predictor.answers(batch)
        if pictures:
            pictures.write(batch, answers)
        yield from answers


def _passed_on(answers: Iterator[Answer], answered: Callable[[Answer], None]) -> Iterator[Answer]:
    """Yield the answers after calling `answered` with each."""
    is_empty = True
    for answer in answers:
        is_empty = False
        answered(answer)
        yield answer
    if is_empty:
        raise DataError("no image could be read; name image files, folders of them, or patterns such as 'photos/*.jpg'")


@contextmanager
def _naming_write_errors() -> Iterator[None]:
    """In this context an error while writing a file becomes a TrainingError that names the file."""
    try:
        yield
    except BrokenPipeError:  # the reader of stdout has closed it, as in `predict … | head`; `main` handles that
        raise
    except OSError as error:
        raise TrainingError(
            f"{error.filename or 'a file'}: cannot be written ({error.strerror}); free space"
        ) from error


def _row(answer: Answer) -> dict[str, Any]:
    row: dict[str, Any] = {"image": answer.image, "label": answer.label}
    for n, guess in enumerate(answer.guesses, 1):
        row |= {f"class_{n}": guess.label, f"probability_{n}": guess.probability}
    return row
