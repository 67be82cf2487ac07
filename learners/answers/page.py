"""Write the report of a run as one self-contained HTML page."""

from pathlib import Path

from learners.answers.html import write_page
from learners.answers.run_report import open_report
from learners.answers.section import all_sections
from learners.run_directory.opened_run import OpenedRun

FILE = "report.html"  # file of the report in the run directory


def report_run(run: str | Path, opened: OpenedRun | None = None, out: Path | None = None) -> Path:
    """Write the report of a finished run, and return its path.

    Args:
        run: the run directory.
        opened: model and images, if they are already loaded as at the end of a fit; otherwise they are loaded. If the
            images cannot be read, the sections that need them say so.
        out: the file to write; by default `report.html` in the run directory.

    Raises:
        RunDirectoryError: there is no run, it is not finished, or one of its files is damaged.
        PageError: the page cannot be written.
    """
    report = open_report(Path(run), opened)
    made = [(anchor, one.title, one.make(report)) for anchor, one in all_sections().items()]
    shown = [(anchor, title, html) for anchor, title, html in made if html is not None]
    return write_page(out or report.path / FILE, f"Report of {report.path.resolve().name}", shown)
