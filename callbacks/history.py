"""One row an epoch."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from fastai.callback.core import Callback
from fastai.metrics import accuracy

from callbacks.files import write_csv
from callbacks.recorder import DeviceMean

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
        self.train_accuracy = DeviceMean(accuracy)

    def before_epoch(self):
        self.started = perf_counter()
        self.train_accuracy.reset()

    def after_batch(self):
        if self.training:
            self.train_accuracy.accumulate(self.learn)

    def after_train(self):
        self.measured = {"train_accuracy": float(self.train_accuracy.value)}  # waits for the device
        self.measured |= {"images": self.train_accuracy.count, "train_seconds": perf_counter() - self.started}

    def after_epoch(self):
        train_loss, valid_loss, valid_accuracy = self.learn.final_record
        applied = self.opt.hypers[0]
        self.rows.append(
            self.measured
            | {
                "epoch": self.epoch,
                "train_loss": train_loss,
                "valid_loss": valid_loss,
                "accuracy": valid_accuracy,
                "lr": float(applied["lr"]),
                "momentum": applied["mom"],
                "seconds": perf_counter() - self.started,
                "images_per_second": self.measured["images"] / self.measured["train_seconds"],
            }
        )
        if self.path:
            self.write(self.path, COLUMNS, list(self.rows))

    def state_dict(self):
        elapsed = perf_counter() - self.started
        return {"rows": self.rows, "elapsed": elapsed, "train_accuracy": self.train_accuracy.state_dict()}

    def load_state_dict(self, state):
        self.rows = state["rows"]
        self.started = perf_counter() - state["elapsed"]
        self.train_accuracy.load_state_dict(state["train_accuracy"])
