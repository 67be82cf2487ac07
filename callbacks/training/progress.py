"""What a run says of itself while it goes on: always on stderr."""

from time import perf_counter
from typing import Self

from fastai.callback.core import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from callbacks.order import PROGRESS
from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import epoch_figures

REFRESH = 0.25  # seconds; reading the loss waits for the device, so it is read no more often


class RichProgress(Callback):
    """A live bar with images/s, loss, rate and time left on a terminal; one line an epoch elsewhere.

    It is a context: the bar opens with the outermost `with` and is gone after it, whatever was raised inside.
    """

    order = PROGRESS

    def __init__(self) -> None:
        self.depth, self.fitting = 0, False
        self.bar: Progress | None = None
        self.console: Console | None = None

    def __enter__(self) -> Self:
        self.depth += 1
        if self.depth == 1:
            self.console = Console(stderr=True)
            self.bar = _bar(self.console) if self.console.is_terminal else None
            if self.bar:
                self.bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.depth -= 1
        if self.depth == 0:
            if self.bar:
                self.bar.stop()
            self.bar, self.console, self.fitting = None, None, False

    def before_train(self) -> None:
        self.fitting = True  # fastai also calls before_fit and after_epoch around a bare validation
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
        if not self.bar:
            return
        self.images += len(self.xb[0])
        now = perf_counter()
        if now - self.shown > REFRESH or self.iter + 1 == self.n_iter:
            self.shown = now
            self.bar.update(self.task, completed=self.iter + 1, total=self.n_iter, figures=self._figures(now))

    def _figures(self, now: float) -> str:
        speed = f"{self.images / (now - self.started):,.0f} images/s"
        if not self.training:
            return speed
        return f"{speed}  loss {self.recorder.fetch():.3f}  lr {rate_and_momentum(self.opt)[0]:.2g}"

    def after_epoch(self) -> None:
        if not self.fitting or self.console is None:
            return
        figures = "  ".join(f"{name} {value:.4f}" for name, value in epoch_figures(self.learn).items())
        self.console.print(f"epoch {self.epoch:>3}  {figures}  {self._pace()}", highlight=False, soft_wrap=True)

    def _pace(self) -> str:
        if not hasattr(self.learn, "history") or not self.history.rows:
            return ""
        row = self.history.rows[-1]
        return f"{row.images_per_second:,.0f} images/s  {row.seconds:.1f} s"


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)
