"""What is wrong with a data set: kinds of findings, each a function that is found by itself.

A kind is a function from a `Survey` to cases, in a module of data/check/findings:

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
    "stop": "a training stops here",
    "wrong": "the results would be wrong",
    "look": "worth a look",
}  # the most important first


class Case(NamedTuple):
    """One case of a finding.

    Attributes:
        names: the files, or the classes, that it is about; the first is the one to act on.
        note: what is seen there, in a few words.
    """

    names: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """All cases of one kind.

    Attributes:
        kind: its name, as in JSON.
        level: how important it is; see `LEVELS`.
        sentence: what the cases are, in plain words.
    """

    kind: str
    level: Level
    sentence: str
    cases: list[Case]

    def to_dict(self) -> dict[str, Any]:
        cases = [{"names": list(case.names), "note": case.note} for case in self.cases]
        return {"kind": self.kind, "level": self.level, "sentence": self.sentence, "cases": cases}


FindCases = Callable[[Survey], Iterator[Case]]
KINDS: dict[str, tuple[Level, str, FindCases]] = {}


def finding(level: Level, sentence: str) -> Callable[[FindCases], FindCases]:
    """Register the decorated function as a kind of finding; its name is that of the function."""

    def register(look: FindCases) -> FindCases:
        KINDS[look.__name__.replace("_", "-")] = level, sentence, look
        return look

    return register


def find_all(survey: Survey) -> list[Finding]:
    """All that is wrong, the most important first."""
    import_modules(package.__name__, package.__path__)
    found = [Finding(kind, level, text, list(look(survey))) for kind, (level, text, look) in KINDS.items()]
    found = [one for one in found if one.cases]
    return sorted(found, key=lambda one: (list(LEVELS).index(one.level), -len(one.cases), one.kind))


def images(count: int) -> str:
    """A number of images, in words."""
    return "1 image" if count == 1 else f"{count:,} images"
