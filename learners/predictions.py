"""The answers of a run about files: as a table, and with a picture of the evidence for each. What `predict` does."""

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
from learners.evidence import Evidence, EvidencePictures
from learners.predictor import GUESSES, Answer, Predictor, Unreadable

log = logging.getLogger(__name__)

COLUMNS = ["image", "label", *(f"{what}_{n + 1}" for n in range(GUESSES) for what in ("class", "probability"))]


@dataclass(frozen=True)
class Predictions:
    """What came of the files.

    Attributes:
        answers: in the order of the files; none where each was told at once.
        unreadable: what is wrong with each file that could not be read, with its name.
    """

    answers: list[Answer] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """In plain values."""
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
    """Answer about files. One that cannot be read is named in the log, and the others are answered.

    Args:
        run: the directory of a finished run.
        images: files, folders, patterns or `-`; see `named_images`.
        answered: is told of each answer as it comes. The answers are not kept then, and memory does not grow with
            their number.
        min_confidence: a probability; answers below it are `unsure`.
        csv: a file to write, a row for each answer.
        cam: a folder to fill with a picture of the evidence for each answer; see `EvidencePictures`.

    Raises:
        InputError: `csv` or `cam` is no place to write to.
        DataError: no image could be read; no table is written.
        TrainingError: a file could not be written after all, as on a full disk.
    """
    predictor, found = Predictor(run, min_confidence), Predictions()
    pictures = EvidencePictures(Evidence(run, predictor), _made(cam)) if cam else None
    if csv and csv.is_dir():
        raise InputError(f"{csv} is a folder; name a file as `csv`")
    if csv:
        _made(csv.absolute().parent)

    def unreadable(error: DataError) -> None:
        log.error("%s", error)
        found.unreadable.append(str(error))

    answers = _answers(predictor, named_images(images), unreadable, pictures)
    told = _told(answers, answered or found.answers.append)
    with _writing():
        if csv:
            write_csv(csv, COLUMNS, map(_row, told))
        else:
            for _ in told:
                pass
    return found


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); name another place") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: cannot be written; correct its permissions, or name another place")
    return folder


def _answers(
    predictor: Predictor, paths: Iterable[str], unreadable: Unreadable, pictures: EvidencePictures | None
) -> Iterator[Answer]:
    for batch in predictor.batches(paths, unreadable):
        answers = predictor.answers(batch)
        if pictures:
            pictures.write(batch, answers)
        yield from answers


def _told(answers: Iterator[Answer], answered: Callable[[Answer], None]) -> Iterator[Answer]:
    none = True
    for answer in answers:
        none = False
        answered(answer)
        yield answer
    if none:
        raise DataError("no image could be read; name image files, folders of them, or patterns such as 'photos/*.jpg'")


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever read the answers has seen enough
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
