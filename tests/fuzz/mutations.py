"""Strategies that damage files: changed bytes, JSON values of another type, and unexpected cells in a table."""

import csv
import io
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

MARK = b"\xff\xd8\xff\xe1\x89PNG\0\0\0\0\xff\xff\xff\x7f"  # markers of formats, and lengths that are too large
VALUES = [
    *(None, True, False, 0, 1, -1, 3, 2**31, 2**63, 10**30, 0.5, -0.5, 1e308, float("nan"), float("inf")),
    *("", "x", "auto", "none", "\0", "a\nb\nc\nd", [], ["a"], [[]], [0, 0, 0], {}, {"a": 1}),
]
CELLS = [
    *("", " ", '"', "'", ",", ";", "\0", "\n", "\r\n", "..", "/", "/dev/null", "~", "NA", "nan", "=1+1", "x" * 300),
    *("train", "valid", "TEST", "file", "label", "split", "caf\u00e9", "\U0001f98a", "\u202e"),
]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Returns the bytes with a few of them flipped, overwritten, removed, truncated, inserted or copied."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 64))
        kind = draw(st.sampled_from(["bit", "bytes", "cut", "end", "insert", "copy", "mark"]))
        if kind == "bit" and start < len(data):
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif kind == "bytes":
            data[start : start + length] = draw(st.binary(max_size=length))
        elif kind == "cut":
            del data[start : start + length]
        elif kind == "end":
            del data[start:]
        elif kind == "insert":
            data[start:start] = draw(st.binary(max_size=length))
        elif kind == "copy":
            target = draw(st.integers(0, len(data)))
            data[target : target + length] = data[start : start + length]
        else:
            part = draw(st.integers(0, len(MARK) - 4))
            data[start : start + 4] = MARK[part : part + 4]
    return bytes(data)


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yields the paths of all values in a document."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


@st.composite
def altered(draw: st.DrawFn, document: Any) -> Any:
    """Returns the document with one to three values removed, or replaced by values of any type."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(document))))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                document = draw(st.sampled_from(VALUES))
            continue
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.integers(0, 3)) == 0:
            del holder[path[-1]]
        else:
            holder[path[-1]] = draw(st.sampled_from(VALUES) | st.integers() | st.floats() | st.text(max_size=8))
    return document


def json_files(document: Any) -> st.SearchStrategy[bytes]:
    """Returns files with an altered document, and damaged files with the original document."""
    text = json.dumps(document).encode()
    nested = st.integers(1, 200_000).map(lambda depth: b"[" * depth)
    return st.one_of(altered(document).map(lambda other: json.dumps(other).encode()), damaged(text), nested)


@st.composite
def tables(draw: st.DrawFn, rows: list[list[str]]) -> bytes:
    """Returns a CSV file of these rows with changed, missing or additional cells, or with repeated rows."""
    rows = deepcopy(rows)
    for _ in range(draw(st.integers(1, 4))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        column = draw(st.integers(0, max(len(row) - 1, 0)))
        kind = draw(st.sampled_from(["cell", "cell", "more", "less", "twice", "none"]))
        if kind == "cell" and row:
            row[column] = draw(st.sampled_from(CELLS) | st.text(max_size=8))
        elif kind == "more":
            row.append(draw(st.sampled_from(CELLS)))
        elif kind == "less" and row:
            del row[column]
        elif kind == "twice":
            rows.append(list(row))
        elif kind == "none" and len(rows) > 1:
            rows.remove(row)
    memory = io.StringIO()
    csv.writer(memory, quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))).writerows(rows)
    return memory.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"])), "replace")
