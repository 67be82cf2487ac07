"""Claim: checkpoints take less than 2% of the training time of an epoch of CIFAR-10's size.

The time is measured in two ways: as the time for which training waits (the copy of the state), and as an upper bound,
the whole time until the file is on the disk. An epoch has a checkpoint at its end and one every five minutes.

    python -m benchmarks.checkpoint [--bs 64] [--steps 3] [--rounds 5] [--device auto]
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.report import write_report
from callbacks.checkpoint.callback import Checkpoint
from callbacks.checkpoint.interrupt import Interrupts
from callbacks.checkpoint.writer import BackgroundWriter
from learners import image_learner

IMAGES, MINUTES = 50_000, 5  # of an epoch; between checkpoints within one


class TimedCheckpoint(Checkpoint):
    """A `Checkpoint` that measures the time of the steps of each epoch and of the checkpoint at its end."""

    def before_train(self):
        self.steps, self.blocked, self.written = (getattr(self, n, []) for n in ("steps", "blocked", "written"))
        self.started = perf_counter()

    def save(self):
        self._lap(self.steps)
        super().save()
        begun = self.started
        self._lap(self.blocked)
        self.writer.wait()
        self.written.append(perf_counter() - begun)

    def _lap(self, seconds: list[float]):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = perf_counter()
        seconds.append(now - self.started)
        self.started = now


def measure(bs: int, steps: int, rounds: int, device: str, out: Path) -> dict[str, list[float]]:
    """Return the seconds of each round: of its steps, of the wait for the checkpoint, and until that is on the disk."""
    learn = image_learner("digits", size=32, limit=bs * steps, batch_size=bs, device=device)
    steps = len(learn.dls.train)
    with BackgroundWriter() as writer:
        timed = TimedCheckpoint(out / "checkpoint.pt", writer, Interrupts(out), learn.plan.to_dict(), MINUTES)
        learn.fit(rounds + 1, cbs=timed)
    epoch = [seconds / steps * IMAGES / bs for seconds in timed.steps]
    return {name: s[1:] for name, s in (("epoch", epoch), ("blocked", timed.blocked), ("written", timed.written))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("--bs", 64), ("--steps", 3), ("--rounds", 5)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        seconds = measure(**vars(options), out=Path(out))

    middle = {name: median(values) for name, values in seconds.items()}
    writes = 1 + int(middle["epoch"] // (60 * MINUTES))
    shares = {name: writes * middle[name] / middle["epoch"] for name in ("blocked", "written")}
    table = Table("", "seconds (median)", f"share of an epoch with {writes} checkpoints")
    table.add_row("epoch of 50,000 images", f"{middle['epoch']:.1f}", "")
    table.add_row("training waits", f"{middle['blocked']:.3f}", f"{shares['blocked']:.3%}")
    table.add_row("until it is on the disk", f"{middle['written']:.3f}", f"{shares['written']:.3%}")
    Console().print(table)
    write_report("checkpoint", {"options": vars(options), "seconds": seconds, "writes": writes, "shares": shares})


if __name__ == "__main__":
    main()
