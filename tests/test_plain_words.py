"""The project's texts use plain words: a list of words and phrases that the style rules out."""

import re
import tokenize
from itertools import chain

import pytest

from tests.conftest import ROOT

RULED_OUT = (
    *("mend", "mends", "mended", "nobody", "somebody", "whoever", "whatever else", "hand over", "handed over"),
    *("as ever", "at hand", "is no number", "no such thing", "to the letter", "goes on", "go on", "went on", "is gone"),
    *("cannot be had", "can be had", "so that it be", "the house", "the room", "a neighbour", "neighbours", "twin"),
    *("rival", "rivals", "guest", "guests", "a wish", "waits for nobody", "knows its", "know their", "once more"),
    *("is told", "are told", "was told", "told once", "looked at", "is asked", "are asked", "was asked", "alike"),
)
PATTERN = re.compile(rf"\b({'|'.join(map(re.escape, RULED_OUT))})\b", re.IGNORECASE)
SOURCES = ("app.py", "learners", "callbacks", "data")
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs")


def files_below(names, suffix):
    """The files with this suffix that are named, or that are in the named folders."""
    paths = [ROOT / name for name in names]
    return sorted(chain.from_iterable(path.rglob(f"*{suffix}") if path.is_dir() else [path] for path in paths))


def texts(path):
    """Comments and strings of a source file with their line numbers, and all lines of a page."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                yield from enumerate(token.string.splitlines(), token.start[0])


@pytest.mark.parametrize(
    "path", [*files_below(SOURCES, ".py"), *files_below(PAGES, ".md")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_word_is_ruled_out(path):
    found = [(number, match[0]) for number, line in texts(path) for match in PATTERN.finditer(line)]
    assert found == []
