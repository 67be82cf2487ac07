"""The report of `check`: its data as JSON, a table for the terminal and a contact sheet."""

import os
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from data.check.facts import Facts
from data.check.finding import LEVELS, Case, Finding, find_all
from data.check.survey import Survey, survey
from data.common.files import replacing, write_json
from data.common.text import shown

MAX_CASES = 10  # cases of one kind that the table lists
MAX_NAMES = 2  # names of one case that the table lists
MAX_CLASSES = 20  # classes that the table lists; of more, it lists the largest and the smallest
COLOURS = {"stop": "bold red", "wrong": "bold yellow", "look": "bold cyan"}  # style of the heading of each level


def check_data(data: str | Path) -> "CheckReport":
    """Read every image of a data set once and report its problems. No file is written.

    Args:
        data: the name of a source, a folder of images, or a table of labels.

    Raises:
        DataError: `data` is not a source, or it contains no training images.
    """
    surveyed = survey(str(data))
    return CheckReport(surveyed, find_all(surveyed))


@dataclass(frozen=True)
class CheckReport:
    """The result of `check`.

    Attributes:
        survey: facts about the data set.
        findings: problems of the data set, the most important first; empty if there are none.
    """

    survey: Survey
    findings: list[Finding]

    def to_dict(self) -> dict[str, Any]:
        """Returns the content of `check.json`, which `--json` prints as well: plain values with all paths."""
        unused = self.survey.unused
        return {
            "data": self.survey.data,
            "images": len(self.survey.names),
            "counts": {split: dict(counts) for split, counts in self.survey.counts.items()},
            "split_given": self.survey.split_given,
            **_summary(self.survey.facts),
            "ignored": {"hidden": unused.hidden, "other": unused.others, "test": unused.test},
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def save(self, folder: Path) -> None:
        """Write `check.json` and, if findings concern pictures, the contact sheet `offenders.png` into `folder`."""
        from data.check.sheet import contact_sheet

        folder.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet(self)
        if sheet:
            with replacing(folder / "offenders.png") as draft, warnings.catch_warnings(action="ignore"):
                sheet.savefig(draft, dpi=120)  # without warnings about letters that the font lacks
        write_json(folder / "check.json", self.to_dict())

    def table(self) -> Group:
        """Returns the table for the terminal: facts, counts per class, and up to ten cases of each finding."""
        parts: list[RenderableType] = [_facts_table(self.survey), Text(), _counts_table(self.survey), Text()]
        for level, meaning in LEVELS.items():
            found = [one for one in self.findings if one.level == level]
            if found:
                parts += [Text(meaning.upper(), style=COLOURS[level])]
                parts += [_finding_text(one, self.survey.root) for one in found]
                parts.append(Text())
        if not self.findings:
            parts.append(Text("nothing found", style="bold green"))
        return Group(*parts)


def _summary(facts: list[Facts]) -> dict[str, Any]:
    """Returns counts of formats, modes and sizes; images that cannot be read are counted only in `bytes`."""
    read = [one for one in facts if not one.reason and one.format]
    sides = [side for one in read for side in (one.width, one.height)]
    return {
        "bytes": sum(one.bytes for one in facts),
        "formats": dict(Counter(one.format for one in read).most_common()),
        "modes": dict(Counter(one.mode for one in read).most_common()),
        "sizes": {f"{w}×{h}": n for (w, h), n in Counter((one.width, one.height) for one in read).most_common()},
        "sides": {"least": min(sides), "median": median(sides), "most": max(sides)} if sides else None,
        "profiles": sum(one.profile for one in read),
        "transparent": sum(one.transparent for one in read),
        "orientations": {str(turn): n for turn, n in sorted(Counter(one.orientation for one in read).items())},
    }


def _facts_table(survey: Survey) -> Table:
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    for name, text in _facts(survey):
        facts.add_row(name, text)
    return facts


def _facts(survey: Survey) -> list[tuple[str, Text]]:
    """Returns the rows of the table of facts: a title and a text."""
    summary, unused = _summary(survey.facts), survey.unused
    rows = [
        ("data", f"{shown(survey.data)}: {len(survey.names):,} images, {summary['bytes'] / 1e6:,.1f} MB"),
        ("formats", _counted(summary["formats"])),
        ("modes", _counted(summary["modes"])),
        ("sizes", _sizes(summary)),
        ("turned", _count(sum(n for turn, n in summary["orientations"].items() if turn != "1"), "by their EXIF data")),
        ("colours", _count(summary["profiles"], "with a colour profile, converted to sRGB")),
        ("alpha", _count(summary["transparent"], "with transparent parts, shown on white")),
        ("hidden", _count(len(unused.hidden), "files, ignored")),
        ("others", _count(len(unused.others), "files that are not images, ignored")),
        ("test", _count(len(unused.test), "images in the folder test, not used")),
        ("split", "" if survey.split_given else "none given: a fifth of each class is held out when training"),
    ]
    return [(name, Text(text)) for name, text in rows if text]


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count else ""


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _sizes(summary: dict[str, Any]) -> str:
    """Returns up to three sizes, or the range of the sides if there are more."""
    if len(summary["sizes"]) <= 3:
        return _counted(summary["sizes"])
    sides = summary["sides"]
    return f"{len(summary['sizes']):,} different sizes; sides of {sides['least']:,} to {sides['most']:,} pixels"


def _counts_table(survey: Survey) -> Table:
    """Returns a table with one row per class, the largest first."""
    counts = survey.counts
    table = Table(box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for split in counts:
        table.add_column("valid" if split == "valid" else split, justify="right")
    total = sum(counts.values(), Counter())
    labels = [label for label, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))]
    half = MAX_CLASSES // 2
    listed = labels if len(labels) <= MAX_CLASSES else [*labels[:half], None, *labels[-half:]]
    for label in listed:
        cells = [f"{counts[split][label]:,}" for split in counts] if label is not None else []
        table.add_row(Text(shown(label) if label is not None else f"… {len(labels) - MAX_CLASSES:,} more"), *cells)
    table.add_row("all", *(f"{sum(counts[split].values()):,}" for split in counts), style="bold")
    return table


def _finding_text(finding: Finding, root: str) -> Text:
    """Returns the heading of a finding and its first cases, one per line."""
    text = Text.assemble((f"{len(finding.cases):>5,}  {finding.sentence}", "bold"))
    lines = [_case_line(case, root) for case in finding.cases[:MAX_CASES]]
    if len(finding.cases) > MAX_CASES:
        lines.append(f"and {len(finding.cases) - MAX_CASES:,} more")
    return text.append("".join(f"\n         {line}" for line in lines))


def _case_line(case: Case, root: str) -> str:
    """Returns one line with the first names of a case, relative to the folder `root`, and its note."""
    names = [shown(name.removeprefix(f"{root}{os.sep}")) for name in case.names]
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(names[:MAX_NAMES])}{more}{': ' if case.note else ''}{shown(case.note)}"
