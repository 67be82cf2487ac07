"""The history of a run: one row of losses, metrics and times per epoch."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from fastai.callback.core import Callback
from torch import Tensor

from callbacks.order import HISTORY
from callbacks.training.means import to_numbers
from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import epoch_figures
from data.common.files import write_csv


@dataclass(frozen=True)
class EpochRow:
    """The losses, metrics and times of an epoch; None for what was not measured because it was cancelled or skipped.

    Attributes:
        epoch: number of the epoch, from 0.
        train_loss: mean loss over the training images.
        train_accuracy: fraction of the augmented training images that were classified correctly.
        valid_loss: mean loss over the validation images at the end of the epoch.
        metrics: metrics by name. Their values are those of the validation images, except for names that begin with
            `train_`.
        lr, momentum: learning rate and momentum of the last step.
        images: number of training images.
        train_seconds: seconds of the training part.
        seconds: seconds of the whole epoch, including validation.
    """

    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    valid_loss: float | None
    metrics: dict[str, float | None]
    lr: float
    momentum: float
    images: int
    train_seconds: float
    seconds: float

    @property
    def images_per_second(self) -> float:
        """The training images per second of the training part."""
        return self.images / self.train_seconds

    def csv_row(self) -> dict[str, Any]:
        """Return the columns of `history.csv` with their values."""
        losses = {"epoch": self.epoch, "train_loss": self.train_loss, "valid_loss": self.valid_loss}
        speed = {"seconds": self.seconds, "images_per_second": self.images_per_second}
        return losses | self.metrics | {"lr": self.lr, "momentum": self.momentum} | speed


def write_history(path: Path, rows: Sequence[EpochRow]) -> None:
    """Write `history.csv` with one row per epoch; each metric has a column."""
    table = [row.csv_row() for row in rows]
    write_csv(path, table[0], table)


class History(Callback):
    """Keeps one row per epoch.

    Args:
        save: function that is called with all rows after each epoch.

    Attributes:
        rows: rows of the epochs so far.
    """

    order = HISTORY

    def __init__(self, save: Callable[[list[EpochRow]], None] | None = None) -> None:
        self.save, self.rows = save, list[EpochRow]()

        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.started = perf_counter()
        self.pending: list[Tensor] = []
        self.hits, self.images = 0, 0
        self.train_seconds: float | None = None

    def before_epoch(self) -> None:
        self._begin_epoch()

    def after_batch(self) -> None:
        if self.training:
            self.pending.append((self.pred.argmax(-1) == self.y).sum())
            self.images += len(self.y)

    def _fetch(self) -> None:
        """Add the correct predictions since the last call; waits for the device."""
        pending, self.pending = self.pending, []
        self.hits += int(sum(to_numbers(pending)))

    def after_train(self) -> None:
        self._fetch()
        self.train_seconds = perf_counter() - self.started

    def after_epoch(self) -> None:
        if self.train_seconds is None:
            self.after_train()  # the epoch was cancelled before or during its training part
        figures = epoch_figures(self.learn)
        lr, momentum = rate_and_momentum(self.opt)
        row = EpochRow(
            epoch=self.epoch,
            train_loss=figures.pop("train_loss"),
            train_accuracy=self.hits / self.images if self.images else None,
            valid_loss=figures.pop("valid_loss", None),
            metrics=figures,
            lr=lr,
            momentum=momentum,
            images=self.images,
            train_seconds=self.train_seconds or 0.0,
            seconds=perf_counter() - self.started,
        )
        self.rows.append(row)
        self._begin_epoch()  # another callback may skip the next epoch before `before_epoch` is called here
        if self.save:
            self.save(list(self.rows))

    def state_dict(self) -> dict[str, Any]:
        self._fetch()
        rows, elapsed = [asdict(row) for row in self.rows], perf_counter() - self.started
        return {"rows": rows, "elapsed": elapsed, "hits": self.hits, "images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self.started = [EpochRow(**row) for row in state["rows"]], perf_counter() - state["elapsed"]
        self.pending, self.hits, self.images = [], state["hits"], state["images"]
