"""The report of a run: one page that holds all that it shows, and asks for nothing from elsewhere."""

from pathlib import Path

from learners.answers.html import write_page
from learners.answers.run_report import open_report
from learners.answers.section import all_sections
from learners.opened_run import OpenedRun

FILE = "report.html"  # of a run directory


def report_run(run: str | Path, opened: OpenedRun | None = None, out: Path | None = None) -> Path:
    """Write the report of a finished run, and return its path.

    Args:
        opened: at the end of a fit, its model and images; else they are looked for, and where they are gone, the
            sections that need them say so.
        out: the page; by default `report.html` in the run directory.

    Raises:
        RunDirectoryError: there is no such run, it is not finished, or a file of it is damaged.
        PageError: the page cannot be written.
    """
    report = open_report(Path(run), opened)
    made = [(anchor, one.title, one.make(report)) for anchor, one in all_sections().items()]
    shown = [(anchor, title, html) for anchor, title, html in made if html is not None]
    return write_page(out or report.path / FILE, f"Report of {report.path.resolve().name}", shown)
