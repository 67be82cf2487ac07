"""What a run says of itself while it trains: on stderr, or in a notebook below the cell."""

from time import perf_counter
from typing import Self

from fastai.callback.core import Callback
from fastai.imports import noop

from callbacks.order import PROGRESS
from callbacks.training.progress_view import View, open_view
from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import epoch_figures

REFRESH_SECONDS = 0.25  # seconds; reading the loss waits for the device, so it is read no more often


class RichProgress(Callback):
    """A live bar with images/s, loss, rate and time left on a terminal and in a notebook; one line an epoch everywhere.

    It is a context: the bar opens with the outermost `with` and closes with it, whatever was raised inside. As with
    fastai's progress there is no bar within `no_mbar` and there are no lines within `no_logging`.
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
        self.images, self.pace = 0, ""  # the pace of the training part, once it has ended

    def before_train(self) -> None:
        self.fitting = True  # fastai also calls before_fit and after_epoch around a bare validation
        self._start(f"epoch {self.epoch} of {self.n_epoch}")

    def before_validate(self) -> None:
        self._start(f"epoch {self.epoch} of {self.n_epoch}, validation" if self.fitting else "validation")

    def _start(self, title: str) -> None:
        self.images, self.started, self.shown = 0, perf_counter(), 0.0
        if self.view:
            self.view.start(title)

    def after_batch(self) -> None:
        self.images += len(self.y if self.yb else self.xb[0])  # targets are those of all processes
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
        self.pace = self._speed() if self.images else ""

    def after_epoch(self) -> None:
        if not self.fitting or self.view is None or not self.view.has_lines:
            return
        figures = [f"{name} {value:.4f}" for name, value in epoch_figures(self.learn).items() if value is not None]
        parts = [f"epoch {self.epoch:>3}", *figures, self.pace, f"{perf_counter() - self.epoch_started:.1f} s"]
        self.view.tell("  ".join(filter(None, parts)))
