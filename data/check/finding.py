"""The registry of findings, which are the kinds of problems that `check` looks for in a data set.

To add a kind, write a function from a `Survey` to cases in any module of data/check/findings:

    @finding("wrong", "pictures that are upside down")
    def upside_down(survey: Survey) -> Iterator[Case]: ...
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from data.check import findings as package
from data.check.survey import Survey
from data.common.discovery import import_modules

Level = Literal["stop", "wrong", "look"]
LEVELS: dict[Level, str] = {
    "stop": "training stops with an error",
    "wrong": "the results would be wrong",
    "look": "worth a look",
}  # headings of the levels, the most important first


class Case(NamedTuple):
    """One case of a finding.

    Attributes:
        names: the files or classes concerned; the first is the one to change.
        note: a short description of the case.
    """

    names: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """All cases of one kind.

    Attributes:
        kind: name of the kind, as in JSON.
        level: importance of the kind; see `LEVELS`.
        sentence: description of the kind.
        cases: the cases.
    """

    kind: str
    level: Level
    sentence: str
    cases: list[Case]

    def to_dict(self) -> dict[str, Any]:
        """Returns the finding as plain values for JSON."""
        cases = [{"names": list(case.names), "note": case.note} for case in self.cases]
        return {"kind": self.kind, "level": self.level, "sentence": self.sentence, "cases": cases}


FindCases = Callable[[Survey], Iterator[Case]]
KINDS: dict[str, tuple[Level, str, FindCases]] = {}  # level, sentence and function of each kind, by its name


def finding(level: Level, sentence: str) -> Callable[[FindCases], FindCases]:
    """Register the decorated function as a kind of finding, which is named after the function.

    Args:
        level: importance of the kind; see `LEVELS`.
        sentence: description of the kind.
    """

    def register(find_cases: FindCases) -> FindCases:
        KINDS[find_cases.__name__.replace("_", "-")] = level, sentence, find_cases
        return find_cases

    return register


def find_all(survey: Survey) -> list[Finding]:
    """Returns the findings that have cases, the most important first."""
    import_modules(package.__name__, package.__path__)
    found = [Finding(kind, level, text, list(find_cases(survey))) for kind, (level, text, find_cases) in KINDS.items()]
    found = [finding for finding in found if finding.cases]
    return sorted(found, key=lambda finding: (list(LEVELS).index(finding.level), -len(finding.cases), finding.kind))


def images(count: int) -> str:
    """Returns a number of images as text."""
    return "1 image" if count == 1 else f"{count:,} images"
