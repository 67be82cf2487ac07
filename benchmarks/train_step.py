"""Claim: a training step through the `Learner` costs no more than a hand-written loop.

At least 0.97 of the images/s of a channels-last PyTorch loop, and at least 1.1 of one in default layout, on a CPU:
the same ResNet18, loss, optimizer and precision on the same batches in memory, all taking turns in one process.

    python -m benchmarks.train_step [--bs 64] [--steps 3] [--rounds 7]
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.report import write_report
from learners import ResNet18, image_learner
from learners.device import precision

Batches = list[tuple[Tensor, Tensor]]
LAYOUTS = {"channels-last": torch.channels_last, "default layout": torch.contiguous_format}


class TrainTimer(Callback):
    """Seconds of the training part of an epoch, everything that the learner does for its steps included."""

    order = -1000

    def before_train(self):
        self.started = perf_counter()

    def after_train(self):
        self.seconds = perf_counter() - self.started


def learner_loop(batches: Batches) -> Callable[[], float]:
    """Seconds of the steps of `learn.fit`; its validation is a single image and not counted."""
    learn = image_learner("digits", size=32, batch_size=len(batches[0][0]))
    x, y = batches[0]
    learn.dls = DataLoaders(batches, [(x[:1], y[:1])])
    timer = TrainTimer()

    def run() -> float:
        learn.fit(1, cbs=timer)
        return timer.seconds

    return run


def plain_loop(batches: Batches, memory_format: torch.memory_format, bf16: bool) -> Callable[[], float]:
    """Seconds of what one would write by hand."""
    model = ResNet18().to(memory_format=memory_format).train()
    loss_func = nn.CrossEntropyLoss(label_smoothing=0.1)
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    batches = [(x.contiguous(memory_format=memory_format), y) for x, y in batches]

    def run() -> float:
        started = perf_counter()
        for x, y in batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = loss_func(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
        return perf_counter() - started

    return run


def compare(bs: int, steps: int, rounds: int) -> dict[str, list[float]]:
    """Images/s of each contender in each round; the order turns, so that a drift of the machine hits all alike."""
    batches = [(torch.rand(bs, 3, 32, 32), torch.randint(0, 10, (bs,))) for _ in range(steps)]
    fast = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in batches]
    ours = precision(torch.device("cpu"))
    contenders = {f"Learner, {ours}": learner_loop(fast)}
    for bf16 in sorted({ours == "bf16", False}, reverse=True):
        for name, layout in LAYOUTS.items():
            contenders[f"plain loop, {name}, {'bf16' if bf16 else 'fp32'}"] = plain_loop(batches, layout, bf16)
    for run in contenders.values():
        run()  # warm up
    speeds = {name: [] for name in contenders}
    for turn in range(rounds):
        names, first = list(contenders), turn % len(contenders)
        for name in names[first:] + names[:first]:
            speeds[name].append(bs * steps / contenders[name]())
    return speeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("--bs", 64), ("--steps", 3), ("--rounds", 7)):
        parser.add_argument(name, type=int, default=default)
    options = parser.parse_args()
    speeds = compare(options.bs, options.steps, options.rounds)

    table = Table("contender", "images/s (median)", "Learner / contender (median of rounds)")
    ours = next(iter(speeds.values()))
    ratios = {n: median(a / b for a, b in zip(ours, s, strict=True)) for n, s in speeds.items()}
    for name, speed in speeds.items():
        table.add_row(name, f"{median(speed):.1f}", f"{ratios[name]:.3f}")
    Console().print(table)
    write_report("train_step", {"options": vars(options), "images_per_second": speeds, "ratios": ratios})


if __name__ == "__main__":
    main()
