"""One row an epoch."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from fastai.callback.core import Callback

from callbacks.training.rates import rate_and_momentum
from callbacks.training.recorder import to_numbers
from data.common.files import write_csv

COLUMNS = "epoch train_loss valid_loss accuracy lr momentum seconds images_per_second".split()


class History(Callback):
    """Keeps what each epoch measured; `rows` holds it, and `path`, where given, the CSV of it.

    `seconds` is the whole epoch, validation included; `images_per_second` is of its training part. Beside the
    columns of the CSV a row holds `train_accuracy` (of the augmented images, as they were learnt from),
    `train_seconds` and `images` (that were learnt from).
    """

    order = 55  # after the recorder (50) has its figures and their finiteness (51) is known

    def __init__(self, path: Path | None = None, write: Callable = write_csv):
        self.path, self.write, self.rows = path, write, []

    def before_epoch(self):
        self.started = perf_counter()
        self.pending, self.hits, self.images = [], 0, 0

    def after_batch(self):
        if self.training:
            self.pending.append((self.pred.argmax(-1) == self.y).sum())
            self.images += len(self.y)

    def _fetch(self):
        """Count the hits since the last call; waits for the device."""
        pending, self.pending = self.pending, []
        self.hits += sum(to_numbers(pending))

    def after_train(self):
        self._fetch()
        seconds = perf_counter() - self.started
        self.measured = {"train_accuracy": self.hits / self.images, "images": self.images, "train_seconds": seconds}

    def after_epoch(self):
        train_loss, valid_loss, valid_accuracy = self.learn.final_record
        lr, momentum = rate_and_momentum(self.opt)
        self.rows.append(
            self.measured
            | {
                "epoch": self.epoch,
                "train_loss": train_loss,
                "valid_loss": valid_loss,
                "accuracy": valid_accuracy,
                "lr": lr,
                "momentum": momentum,
                "seconds": perf_counter() - self.started,
                "images_per_second": self.measured["images"] / self.measured["train_seconds"],
            }
        )
        if self.path:
            self.write(self.path, COLUMNS, list(self.rows))

    def state_dict(self):
        self._fetch()
        elapsed = perf_counter() - self.started
        return {"rows": self.rows, "elapsed": elapsed, "hits": self.hits, "images": self.images}

    def load_state_dict(self, state):
        self.rows, self.started = state["rows"], perf_counter() - state["elapsed"]
        self.pending, self.hits, self.images = [], state["hits"], state["images"]
