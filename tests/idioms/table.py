"""The table of fastai's methods and callbacks. Each test adds rows for those that it saw work or be refused."""

import re
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parents[2] / "docs" / "fastai.md"
HEAD = """# What of fastai works here

A learner of this project is a fastai `Learner`. Each row was written by a test that tried the method or callback and
compared the outcome with what the last column names, or that read the sentence with which it is refused. The tests are
in `tests/idioms`; `WRITE_TABLE=1 python -m pytest tests/idioms` writes this file.

| method or callback | verdict | compared with |
|---|---|---|
"""


class Row(NamedTuple):
    """A row about a method or callback of fastai."""

    what: str
    verdict: str
    compared: str

    def line(self) -> str:
        return f"| `{self.what}` | {self.verdict} | {self.compared} |\n"


class Table:
    """The rows that the tests of this pytest session have added."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def works(self, what: str, compared: str) -> None:
        """Add a row, at the end of a test in which the result of `what` equalled that of `compared`."""
        self.rows.append(Row(what, "works", compared))

    def refused(self, what: str, error: BaseException, instead: str = "") -> None:
        """Add a row, at the end of a test in which `what` raised this error before anything changed."""
        sentence = re.sub(r"/\S*/site-packages/", "", " ".join(str(error).split())).replace("|", "\\|")
        self.rows.append(Row(what, f"refused: {sentence}", instead or "the message itself"))

    def text(self) -> str:
        return HEAD + "".join(row.line() for row in sorted(set(self.rows)))
