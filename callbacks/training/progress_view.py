"""The output of the progress display: a terminal, a file or pipe, or the output of a notebook's cell."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from IPython.display import DisplayHandle


class View:
    """Lines with a progress bar below them, printed on a console.

    Args:
        console: console to print on.
        has_lines: whether lines are printed.
        has_bar: whether a bar is shown.
    """

    bars_validation = True  # whether validation outside a fit has a bar

    def __init__(self, console: Console, has_lines: bool, has_bar: bool) -> None:
        self.console, self.has_lines, self.has_bar = console, has_lines, has_bar
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    def open(self) -> None:
        """Show the bar."""
        if self.has_bar:
            self.bar.start()

    def start(self, title: str) -> None:
        """Start the bar again from zero with a new title."""
        for task in self.bar.task_ids:
            self.bar.remove_task(task)
        self.bar.add_task(title, total=None, figures="")

    def move(self, done: int, total: int, figures: str) -> None:
        """Update the bar.

        Args:
            done: number of finished steps.
            total: number of steps.
            figures: text after the bar.
        """
        self.bar.update(self.bar.task_ids[0], completed=done, total=total, figures=figures)

    def add_line(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        if self.has_bar:
            self.bar.stop()


class CellView(View):
    """Lines with a progress bar in one output of a notebook's cell, which is updated during the run.

    The live display of rich is not used, because it needs ipywidgets in a notebook.
    """

    bars_validation = False  # without lines, the output would be empty after the bar is removed

    def __init__(self, console: Console, has_lines: bool, has_bar: bool) -> None:
        super().__init__(console, has_lines, has_bar)
        self.lines: list[str] = []
        self.handle: DisplayHandle | None = None

    def open(self) -> None:
        """Do nothing yet: the output is created by the first step or line."""

    def move(self, done: int, total: int, figures: str) -> None:
        super().move(done, total, figures)
        self._show(with_bar=True)

    def add_line(self, line: str) -> None:
        self.lines.append(line)
        self._show()

    def close(self) -> None:
        if self.handle:
            self._show()

    def _show(self, with_bar: bool = False) -> None:
        from IPython.display import display

        shown = Table.grid()
        for line in self.lines:
            shown.add_row(Text(line))
        if with_bar:
            shown.add_row(self.bar)
        if self.handle:
            self.handle.update(shown)
        else:
            self.handle = display(shown, display_id=True)


def open_view(lines: bool, bar: bool) -> View:
    """Return the progress output of this process: in a notebook the cell's output, otherwise stderr.

    Args:
        lines: whether one line per epoch is printed.
        bar: whether a bar is shown; on stderr only on a terminal.
    """
    console = Console(stderr=True)
    view = CellView(console, lines, bar) if console.is_jupyter else View(console, lines, bar and console.is_terminal)
    view.open()
    return view
