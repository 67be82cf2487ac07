"""Interpret the names of split folders and class folders."""

import os
import re
import unicodedata

SPLITS = {  # split by the name of its folder, in lower case
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    "test": "test",
}


def split_of(name: str) -> str | None:
    """Returns `train`, `valid` or `test` for a name in `SPLITS`, in upper or lower case; None for other names."""
    return SPLITS.get(name.casefold())


def class_of(name: str) -> str:
    """Returns the class of a folder name: Unicode composed (NFC), with bytes that are not UTF-8 written as \\xe9."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))


def natural(name: str) -> tuple[list[str | int], str]:
    """Returns a sort key that compares numbers by value, so that class9 precedes class10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
