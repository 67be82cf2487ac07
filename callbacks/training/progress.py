"""Progress display of a run, on stderr or in a notebook below the cell."""

from time import perf_counter
from typing import Self

from fastai.callback.core import Callback
from fastai.imports import noop

from callbacks.order import PROGRESS
from callbacks.training.progress_view import View, open_view
from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import epoch_figures

REFRESH_SECONDS = 0.25  # shortest time between updates: each reads the loss, which waits for the device


class RichProgress(Callback):
    """Shows one line per epoch, and on a terminal and in a notebook a bar with images/s, loss and learning rate.

    The callback is a context manager: the outermost `with` opens the bar and closes it at its end, also after an
    exception. As with fastai's progress, `no_mbar` turns off the bar and `no_logging` the lines.
    """

    order = PROGRESS

    def __init__(self) -> None:
        self.depth, self.fitting = 0, False
        self.view: View | None = None
        self.before_epoch()

    def __enter__(self) -> Self:
        self.depth += 1
        if self.depth == 1:
            self.view = open_view(lines=self.logger is not noop, bar=self.create_mbar)
        return self

    def __exit__(self, *raised: object) -> None:
        self.depth -= 1
        if self.depth == 0 and self.view:
            self.view.close()
            self.view, self.fitting = None, False

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
        if self.view:
            self.view.start(title)

    def after_batch(self) -> None:
        self.images += len(self.y if self.yb else self.xb[0])  # `y` holds the targets of all processes, `xb` does not
        if self.view is None or not self.view.has_bar or not (self.fitting or self.view.bars_validation):
            return
        if perf_counter() - self.shown > REFRESH_SECONDS or self.iter + 1 == self.n_iter:
            self.shown = perf_counter()
            self.view.move(self.iter + 1, self.n_iter, self._figures())

    def _figures(self) -> str:
        if not self.training:
            return self._speed()
        return f"{self._speed()}  loss {self.smooth_loss:.3f}  lr {rate_and_momentum(self.opt)[0]:.2g}"

    def _speed(self) -> str:
        return f"{self.images / (perf_counter() - self.started):,.0f} images/s"

    def after_train(self) -> None:
        self.speed = self._speed() if self.images else ""

    def after_epoch(self) -> None:
        if not self.fitting or self.view is None or not self.view.has_lines:
            return
        figures = [f"{name} {value:.4f}" for name, value in epoch_figures(self.learn).items() if value is not None]
        parts = [f"epoch {self.epoch:>3}", *figures, self.speed, f"{perf_counter() - self.epoch_started:.1f} s"]
        self.view.add_line("  ".join(filter(None, parts)))
