"""A bar for work that goes through stages: always on stderr, and only on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress(stages: int) -> Iterator[Callable[[str], None]]:
    """The block calls what it gets at the start of each of its stages, with the stage's name."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, started = bar.add_task("", total=stages), 0

        def stage(name: str) -> None:
            nonlocal started
            bar.update(task, description=name, completed=started)
            started += 1

        yield stage
