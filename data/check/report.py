"""What `check` found, as one typed object, and as a screen that a person reads."""

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

MAX_CASES = 10  # of a kind, on the screen
MAX_NAMES = 2  # of a case, on the screen
MAX_CLASSES = 20  # on the screen; of more, the largest and the smallest
COLOURS = {"stop": "bold red", "wrong": "bold yellow", "look": "bold cyan"}  # of the levels


def check_data(data: str | Path) -> "CheckReport":
    """Read every image of a data set once, and tell what is wrong with the set. Nothing is written.

    Args:
        data: the name of a source, a folder of images, or a table of labels.

    Raises:
        DataError: no data set has that name, or nothing in it is an image.
    """
    surveyed = survey(str(data))
    return CheckReport(surveyed, find_all(surveyed))


@dataclass(frozen=True)
class CheckReport:
    """Everything that `check` found.

    Attributes:
        survey: the data set.
        findings: what is wrong, the most important first; none of a clean set.
    """

    survey: Survey
    findings: list[Finding]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints and `check.json` holds: plain values, all paths, no limit."""
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
        """Write `check.json` and, where the findings are about pictures, the contact sheet `offenders.png`."""
        from data.check.sheet import contact_sheet

        folder.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet(self)
        if sheet:
            with replacing(folder / "offenders.png") as draft, warnings.catch_warnings(action="ignore"):
                sheet.savefig(draft, dpi=120)  # a name in letters that the font lacks is a warning
        write_json(folder / "check.json", self.to_dict())

    def table(self) -> Group:
        """The facts, the counts by class, and at most ten cases of each kind of finding."""
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
    """Counts of what the files are; images that could not be read have no part in modes and sides."""
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
    summary, unused = _summary(survey.facts), survey.unused
    rows = [
        ("data", f"{shown(survey.data)}: {len(survey.names):,} images, {summary['bytes'] / 1e6:,.1f} MB"),
        ("formats", _counted(summary["formats"])),
        ("modes", _counted(summary["modes"])),
        ("sizes", _sizes(summary)),
        ("turned", _count(sum(n for turn, n in summary["orientations"].items() if turn != "1"), "by their EXIF data")),
        ("colours", _count(summary["profiles"], "with a colour profile, converted to sRGB")),
        ("alpha", _count(summary["transparent"], "with transparent parts, seen over white")),
        ("hidden", _count(len(unused.hidden), "files, ignored")),
        ("others", _count(len(unused.others), "files that are no images, ignored")),
        ("test", _count(len(unused.test), "images in the folder test, left alone")),
        ("split", "" if survey.split_given else "none given: a fifth of each class is held out when training"),
    ]
    return [(name, Text(text)) for name, text in rows if text]


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count else ""


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _sizes(summary: dict[str, Any]) -> str:
    """Each size where there are few; otherwise the range of the sides."""
    if len(summary["sizes"]) <= 3:
        return _counted(summary["sizes"])
    sides = summary["sides"]
    return f"{len(summary['sizes']):,} different ones; sides of {sides['least']:,} to {sides['most']:,} pixels"


def _counts_table(survey: Survey) -> Table:
    """A row a class, the largest first."""
    counts = survey.counts
    table = Table(box=None, pad_edge=False)
    table.add_column("class", no_wrap=True)
    for split in counts:
        table.add_column("valid" if split == "valid" else split, justify="right")
    total = sum(counts.values(), Counter())
    labels = [label for label, _ in sorted(total.items(), key=lambda item: (-item[1], item[0]))]
    half = MAX_CLASSES // 2
    few = labels if len(labels) <= MAX_CLASSES else [*labels[:half], None, *labels[-half:]]
    for label in few:
        cells = [f"{counts[split][label]:,}" for split in counts] if label is not None else []
        table.add_row(Text(shown(label) if label is not None else f"… {len(labels) - MAX_CLASSES:,} more"), *cells)
    table.add_row("all", *(f"{sum(counts[split].values()):,}" for split in counts), style="bold")
    return table


def _finding_text(finding: Finding, root: str) -> Text:
    text = Text.assemble((f"{len(finding.cases):>5,}  {finding.sentence}", "bold"))
    lines = [_case_line(case, root) for case in finding.cases[:MAX_CASES]]
    if len(finding.cases) > MAX_CASES:
        lines.append(f"and {len(finding.cases) - MAX_CASES:,} more")
    return text.append("".join(f"\n         {line}" for line in lines))


def _case_line(case: Case, root: str) -> str:
    """A case in one line: its first names, relative to the folder `root`, and its note."""
    names = [shown(name.removeprefix(f"{root}{os.sep}")) for name in case.names]
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(names[:MAX_NAMES])}{more}{': ' if case.note else ''}{shown(case.note)}"
