"""The names of splits and of classes, as people write them."""

import os
import re
import unicodedata

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev"), "valid"),
    "test": "test",
}


def split_of(name: str) -> str | None:
    """`train`, `valid` or `test`, for every usual name of these in any case; None for other names."""
    return SPLITS.get(name.casefold())


def class_of(name: str) -> str:
    """The class that a name stands for: Unicode composed (NFC), and bytes that are no UTF-8 written as \\xe9."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts names by the numbers in them: class9 goes before class10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
