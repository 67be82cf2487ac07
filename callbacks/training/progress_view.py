"""Where the progress of a run is seen: a terminal, a file or pipe, or the output of a notebook's cell."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from IPython.display import DisplayHandle


class View:
    """Lines that stay and a bar below them: on stderr, the bar on a terminal alone.

    Args:
        console: where to.
        has_lines: whether lines are wanted.
        has_bar: whether a bar is wanted.
    """

    bars_validation = True  # also outside of a fit

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
        if self.has_bar:
            self.bar.start()

    def start(self, title: str) -> None:
        """Set the bar back to nothing done, under a new title."""
        for task in self.bar.task_ids:
            self.bar.remove_task(task)
        self.bar.add_task(title, total=None, figures="")

    def move(self, done: int, total: int, figures: str) -> None:
        """Move the bar, with figures beside it."""
        self.bar.update(self.bar.task_ids[0], completed=done, total=total, figures=figures)

    def tell(self, line: str) -> None:
        """Add a line that stays."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        if self.has_bar:
            self.bar.stop()


class CellView(View):
    """The same in one output of a notebook's cell, which is replaced during the run; the lines remain.

    rich's own live display needs ipywidgets in a notebook.
    """

    bars_validation = False  # it has no lines, and would leave an empty output

    def __init__(self, console: Console, has_lines: bool, has_bar: bool) -> None:
        super().__init__(console, has_lines, has_bar)
        self.lines: list[str] = []
        self.handle: DisplayHandle | None = None

    def open(self) -> None:
        """The first step of a fit, or the first line, makes the output."""

    def move(self, done: int, total: int, figures: str) -> None:
        super().move(done, total, figures)
        self._show(with_bar=True)

    def tell(self, line: str) -> None:
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
    """The view of this process, ready for a run.

    Args:
        lines: whether a line an epoch is wanted.
        bar: whether a bar is wanted.
    """
    console = Console(stderr=True)
    view = CellView(console, lines, bar) if console.is_jupyter else View(console, lines, bar and console.is_terminal)
    view.open()
    return view
