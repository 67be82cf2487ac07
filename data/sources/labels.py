"""Read a table of labels, `.csv` or `.parquet`, with the columns `file`, `label` and optionally `split`."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from data.common.errors import DataError
from data.common.text import shown
from data.items import ImageFile
from data.sources.registry import Splits, path_of, source
from data.sources.splits import SPLITS, class_of, split_of

if TYPE_CHECKING:
    import pandas as pd

RELATIVE_PATHS_HINT = "paths in the column file are relative to the table"


@source(".csv", ".parquet")
def labels(data: str) -> Splits:
    """Returns the images that a table lists, in its order; their paths are relative to the table.

    The column `split` contains train, valid or test, by any of the names in `SPLITS`, in upper or lower case. Test
    images are used for validation if there are no valid ones. Without the column all images are training images.

    Args:
        data: path of the table.

    Raises:
        DataError: the table cannot be read or lacks a column, or a row has an empty label, an unknown split or a
            missing file; the message names the row.
    """
    path = path_of(data)
    table = _read(path)
    for column in ("file", "label"):
        if column not in table:
            raise DataError(f"{path}: no column {column}; the columns must be file, label and optionally split")
    splits = table["split"] if "split" in table else ["train"] * len(table)
    images: dict[str, list[ImageFile]] = {"train": [], "valid": [], "test": []}
    for row, name, label, split in zip(table.index, table["file"], table["label"], splits, strict=True):
        where = f"{path}, {_place(path, row)}"
        images[_split(split, where)].append(_image(path.parent, name, label, where))
    return Splits(images["train"], images["valid"] or images["test"] or None)


def _read(path: Path) -> pd.DataFrame:
    """Returns the table with all values as text and without empty rows; its index is the row number from 0."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".csv":
            with warnings.catch_warnings(
                action="error", category=pd.errors.ParserWarning
            ):  # raised for a row with more values than columns
                table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False)
        else:
            table = pd.read_parquet(path).reset_index(drop=True)
    except ImportError:
        raise DataError(f"{path}: reading parquet needs pyarrow; install it with `pip install pyarrow`") from None
    except (OSError, ValueError, pd.errors.ParserWarning) as error:  # of pandas and pyarrow, for damaged tables
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: not a readable table ({reason}); save it as UTF-8 text or as Parquet") from error
    table = table.astype(object).where(table.notna(), "").astype(str)
    return table[(table != "").any(axis=1)]


def _place(path: Path, row: int) -> str:
    """Returns the position of a row as a user counts it; in a CSV file the header is line 1."""
    return f"line {row + 2}" if path.suffix.lower() == ".csv" else f"row {row + 1}"


def _split(value: str, where: str) -> str:
    split = split_of(value)
    if split is None:
        raise DataError(f"{where}: unknown split {value!r}; choose from {', '.join(SPLITS)}")
    return split


def _image(folder: Path, name: str, label: str, where: str) -> ImageFile:
    if not label:
        raise DataError(f"{where}: the label is empty; name the class of {shown(name)}, or remove the row")
    path = shown(f"{folder / name}")
    try:
        found = os.stat(folder / name)
    except (OSError, ValueError) as error:  # ValueError: the name contains a zero byte
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{where}: {path} cannot be found ({reason}); {RELATIVE_PATHS_HINT}") from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{where}: {path} is not a file; {RELATIVE_PATHS_HINT}")
    return ImageFile(str(folder), class_of(label), name, found.st_size, found.st_mtime_ns)
