"""A comparison of repeated and resumed runs to the last bit.

Question: on this device, does a repeated or a resumed run have the same weights to the last bit?

Each way to take a step is tried with three runs of one seed: two without interruption, and one that receives SIGINT in
its second epoch and is resumed. The digests of all weights are compared. With `deterministic`, torch uses only
deterministic algorithms.

    python -m benchmarks.exactness [--budget SECONDS] [any of --data, --limit, --size, --batch-size]
"""

import argparse
import hashlib
import math
import os
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

os.environ.setdefault(
    "CUBLAS_WORKSPACE_CONFIG", ":4096:8"
)  # needed for deterministic matrix products, before CUDA starts

import torch
from fastai.callback.core import Callback
from rich.console import Console
from rich.table import Table

from benchmarks.report import write_report
from learners import image_learner, resume_learner

WAYS = {  # name: whether graphs are used, whether torch uses only deterministic algorithms
    "graph": (True, False),
    "eager": (False, False),
    "eager, deterministic": (False, True),
    "graph, deterministic": (True, True),
}


class Interrupt(Callback):
    """Sends Ctrl-C in the middle of the second epoch."""

    run_valid = False

    def before_batch(self):
        if self.epoch == 1 and self.iter == self.n_iter // 2:
            os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def deterministic(wanted: bool):
    benchmark = torch.backends.cudnn.benchmark
    try:
        if wanted:
            torch.backends.cudnn.benchmark = False
            torch.use_deterministic_algorithms(True, warn_only=True)
        yield
    finally:
        torch.backends.cudnn.benchmark = benchmark
        torch.use_deterministic_algorithms(False)


def straight(out: Path, settings: dict) -> tuple[str, float]:
    """Train without interruption; return the digest of the weights and the images/s of the last epoch."""
    learn = image_learner(**settings, out=out)
    learn.fit_recipe()
    return digest(out), learn.fitted.epochs[-1].images_per_second


def interrupted(out: Path, settings: dict) -> str:
    learn = image_learner(**settings, out=out)
    learn.add_cb(Interrupt())
    try:
        learn.fit_recipe()
        raise RuntimeError("the run was not interrupted")
    except KeyboardInterrupt:
        resume_learner(out, cbs=[Interrupt()]).fit_recipe()  # the resumed run is past the step of the interruption
    return digest(out)


def digest(out: Path) -> str:
    return hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds")
    parser.add_argument("--data", default="cifar10")
    for name, default in (("limit", 10_000), ("size", 32), ("batch-size", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = vars(parser.parse_args())
    budget, started, rows = options.pop("budget"), perf_counter(), {}
    for way, (graph, strict) in WAYS.items():
        spent = perf_counter() - started
        if rows and spent + spent / len(rows) > budget:
            break
        settings = {**options, "epochs": 2, "graph": graph}
        with deterministic(strict), tempfile.TemporaryDirectory() as scratch:
            (first, _), (second, speed) = (straight(Path(scratch) / name, settings) for name in ("a", "b"))
            resumed = interrupted(Path(scratch) / "c", settings)
        rows[way] = {"repeated": first == second, "resumed": second == resumed, "images_per_second": speed}
    table = Table("way to step", "a second run is the same", "a resumed run is the same", "images/s")
    for way, row in rows.items():
        table.add_row(way, str(row["repeated"]), str(row["resumed"]), f"{row['images_per_second']:,.0f}")
    Console().print(table)
    write_report("exactness", {"settings": options, "rows": rows, "seconds": perf_counter() - started})


if __name__ == "__main__":
    main()
