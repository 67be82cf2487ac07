"""Progress display of a run, on stderr."""

from time import perf_counter
from typing import Self

from fastai.callback.core import Callback
from fastai.imports import noop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from callbacks.order import PROGRESS
from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import epoch_figures

REFRESH_SECONDS = 0.25  # shortest time between updates: each reads the loss, which waits for the device


class RichProgress(Callback):
    """Shows a progress bar with images/s, loss, learning rate and time left on a terminal, and a line per epoch.

    The callback is a context manager: the outermost `with` opens the bar and removes it at its end, also after an
    exception. Outside a terminal there is no bar. As with fastai's progress, `no_mbar` turns off the bar and
    `no_logging` the lines.
    """

    order = PROGRESS

    def __init__(self) -> None:
        self.depth, self.fitting = 0, False
        self.bar: Progress | None = None
        self.console: Console | None = None  # prints the lines; None if lines are turned off
        self.before_epoch()

    def __enter__(self) -> Self:
        self.depth += 1
        if self.depth == 1:
            console = Console(stderr=True)
            self.console = None if self.logger is noop else console
            self.bar = _bar(console) if console.is_terminal and self.create_mbar else None
            if self.bar:
                self.bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            if self.bar:
                self.bar.stop()
            self.bar, self.console, self.fitting = None, None, False

    def before_epoch(self) -> None:
        self.epoch_started = perf_counter()
        self.images, self.speed = 0, ""  # images/s of the training part, set when it has ended

    def before_train(self) -> None:
        self.fitting = True  # not in `before_fit`, which fastai also calls around `validate` and `get_preds`
        self._start(f"epoch {self.epoch} of {self.n_epoch}")

    def before_validate(self) -> None:
        self._start(f"epoch {self.epoch} of {self.n_epoch}, validation" if self.fitting else "validation")

    def _start(self, title: str) -> None:
        self.images, self.started, self.shown = 0, perf_counter(), 0.0
        if self.bar:
            for task in self.bar.task_ids:
                self.bar.remove_task(task)
            self.task = self.bar.add_task(title, total=None, figures="")

    def after_batch(self) -> None:
        self.images += len(self.y if self.yb else self.xb[0])  # `y` holds the targets of all processes, `xb` does not
        if self.bar and (perf_counter() - self.shown > REFRESH_SECONDS or self.iter + 1 == self.n_iter):
            self.shown = perf_counter()
            self.bar.update(self.task, completed=self.iter + 1, total=self.n_iter, figures=self._figures())

    def _figures(self) -> str:
        if not self.training:
            return self._speed()
        return f"{self._speed()}  loss {self.smooth_loss:.3f}  lr {rate_and_momentum(self.opt)[0]:.2g}"

    def _speed(self) -> str:
        return f"{self.images / (perf_counter() - self.started):,.0f} images/s"

    def after_train(self) -> None:
        self.speed = self._speed() if self.images else ""

    def after_epoch(self) -> None:
        if not self.fitting or self.console is None:
            return
        figures = [f"{name} {value:.4f}" for name, value in epoch_figures(self.learn).items() if value is not None]
        parts = [f"epoch {self.epoch:>3}", *figures, self.speed, f"{perf_counter() - self.epoch_started:.1f} s"]
        self.console.print("  ".join(filter(None, parts)), highlight=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)
