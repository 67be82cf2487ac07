"""The report of a run: one page that holds all that it shows, and asks for nothing from elsewhere."""

from pathlib import Path

from data.common.files import replacing
from learners.answers.html import render_file
from learners.answers.run_report import RunReport, open_report
from learners.answers.section import all_sections
from learners.opened import OpenedRun

FILE = "report.html"  # of a run directory


def report_run(run: str | Path, opened: OpenedRun | None = None) -> Path:
    """Write `report.html` of a finished run into its directory, and return its path.

    Args:
        opened: at the end of a fit, its model and images; else they are looked for, and where they are gone, the
            sections that need them say so.

    Raises:
        RunDirectoryError: there is no such run, it is not finished, or a file of it is damaged.
        OSError: the page cannot be written.
    """
    path = Path(run)
    page = page_of(open_report(path, opened))
    with replacing(path / FILE) as draft:
        draft.write_text(page, encoding="utf-8")
    return path / FILE


def page_of(report: RunReport) -> str:
    """The page: every section that has something to say about this run."""
    made = [(anchor, one.title, one.make(report)) for anchor, one in all_sections().items()]
    name = report.path.resolve().name
    return render_file("page.html", title=f"Report of {name}", sections=[one for one in made if one[2] is not None])
