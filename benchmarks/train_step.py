"""Claim: a training step of the app takes no longer than a plain loop, whether kernels or Python take the time.

    python -m benchmarks.train_step [--scene full|launch|cuda] [--rounds 7]

full: ResNet18 on a CPU at 32 pixels, where the convolutions take the time. The app reaches at least 0.97 of the
images/s of a channels-last PyTorch loop.
launch: the same graph with 1/16 of the channels, batches of 4 at 8×8 and one thread, where Python and the launching of
kernels take the time. The whole run (loader, augmentation, average, schedule record, history, progress) takes at most
1.25 times as long as the plain loop, which has its batches in memory.
cuda: the full model and all of CIFAR-10 on a GPU at batch sizes 256 and 512. Without graphs the app reaches at least
0.8 of the images/s of a plain loop whose data is in GPU memory, with graphs at least 1.5 and 1.0.
The optimizer is SGD everywhere.

Contenders take turns in one process; a ratio is the median over the rounds, and for `launch` also that of the fastest
rounds.
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

from benchmarks.narrow import narrow_learner, narrow_net
from benchmarks.report import write_report
from learners import Recipe, ResNet18, image_learner
from learners.device import precision

Batches = list[tuple[Tensor, Tensor]]
LAYOUTS = {"channels-last": torch.channels_last, "default layout": torch.contiguous_format}
WIDTH, BATCH, SIZE, STEPS = 4, 4, 8, 60  # of the launch scene: channels of the stem, images, pixels, steps a round
EPOCHS = 3  # of the cuda scene; the first warms up


class TrainTimer(Callback):
    """Measures the seconds of the training part of an epoch, with everything that the learner does for its steps."""

    order = -1000

    def before_train(self):
        self.started = perf_counter()

    def after_train(self):
        self.seconds = perf_counter() - self.started


def learner_loop(batches: Batches) -> Callable[[], float]:
    """Return the seconds of the steps of `learn.fit`; its validation has one image and is not counted."""
    learn = image_learner("digits", size=32, batch_size=len(batches[0][0]), optimizer="sgd")
    x, y = batches[0]
    learn.dls = DataLoaders(batches, [(x[:1], y[:1])])
    timer = TrainTimer()

    def run() -> float:
        learn.fit(1, cbs=timer)
        return timer.seconds

    return run


def plain_loop(model: nn.Module, batches: Batches, bf16: bool) -> Callable[[], float]:
    """Return the seconds of a plain training loop."""
    loss_func = nn.CrossEntropyLoss(label_smoothing=0.1)
    opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    device = batches[0][0].device

    def run() -> float:
        started = perf_counter()
        for x, y in batches:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                loss = loss_func(model(x), y)
            loss.backward()
            opt.step()
            opt.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - started

    return run


def in_turns(contenders: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each contender in each round.

    The order rotates, so that a change of the machine's speed affects all contenders equally.
    """
    for run in contenders.values():
        run()  # warm up
    seconds = {name: [] for name in contenders}
    for turn in range(rounds):
        names, first = list(contenders), turn % len(contenders)
        for name in names[first:] + names[:first]:
            seconds[name].append(contenders[name]())
    return seconds


def full(rounds: int, bs: int = 64, steps: int = 3) -> dict:
    """Return the images/s on a CPU, and the learner's divided by each contender's."""
    batches = [(torch.rand(bs, 3, 32, 32), torch.randint(0, 10, (bs,))) for _ in range(steps)]
    ours = precision(torch.device("cpu"))
    contenders = {}
    for bf16 in sorted({ours == "bf16", False}, reverse=True):
        for name, layout in LAYOUTS.items():
            laid_out = [(x.contiguous(memory_format=layout), y) for x, y in batches]
            model = ResNet18().to(memory_format=layout).train()
            contenders[f"plain loop, {name}, {'bf16' if bf16 else 'fp32'}"] = plain_loop(model, laid_out, bf16)
    fast = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in batches]
    seconds = in_turns({f"Learner, {ours}": learner_loop(fast), **contenders}, rounds)
    speeds = {name: [bs * steps / s for s in each] for name, each in seconds.items()}
    first = next(iter(speeds.values()))
    ratios = {n: median(a / b for a, b in zip(first, each, strict=True)) for n, each in speeds.items()}
    options = {"bs": bs, "steps": steps, "rounds": rounds}
    return {"options": options, "images_per_second": speeds, "ratios": ratios}


def launch(rounds: int) -> dict:
    """Return the milliseconds per step of a model so narrow that only the launches take time."""
    torch.set_num_threads(1)
    settings = {"size": SIZE, "batch_size": BATCH, "limit": BATCH * STEPS, "epochs": 1, "device": "cpu"}
    learn, timer = narrow_learner(Recipe.of(data="digits", **settings), WIDTH), TrainTimer()
    learn.add_cb(timer)

    def app() -> float:
        learn.fit_recipe()
        return timer.seconds

    made = [(torch.rand(BATCH, 3, SIZE, SIZE), torch.randint(0, 10, (BATCH,))) for _ in range(STEPS)]
    batches = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in made]
    plain = plain_loop(
        narrow_net(learn.dls, learn.plan, WIDTH).to(memory_format=torch.channels_last).train(), batches, bf16=False
    )
    with torch.backends.mkldnn.flags(enabled=False):  # oneDNN writes beyond its memory where there are 4 channels
        seconds = in_turns({"app": app, "plain loop": plain}, rounds)
    ms = {name: [1000 * s / STEPS for s in each] for name, each in seconds.items()}
    ratios = [a / b for a, b in zip(ms["app"], ms["plain loop"], strict=True)]
    return {
        "options": {"width": WIDTH, "batch": BATCH, "size": SIZE, "steps": STEPS, "rounds": rounds},
        "milliseconds": ms,
        "fastest": {name: min(each) for name, each in ms.items()},
        "ratio_of_fastest": min(ms["app"]) / min(ms["plain loop"]),
        "ratio": median(ratios),
    }


def cuda(rounds: int) -> dict:
    """Return the images/s of the app on all of CIFAR-10, with and without graphs, and those of the plain loop."""
    rows = {}
    for bs in (256, 512):
        made = app_on_gpu(bs, graph=False), app_on_gpu(bs, graph=True)
        plain = _plain_on_gpu(bs, rounds)
        for name, row in zip(("eager", "graph"), made, strict=True):
            rows[f"{name}, batch {bs}"] = row | {"of_plain_loop": row["images_per_second"] / plain}
        rows[f"plain loop, batch {bs}"] = {"images_per_second": plain, "ms": 1000 * bs / plain}
    return {"options": {"rounds": rounds, "epochs": EPOCHS}, "rows": rows}


def app_on_gpu(bs: int, graph: bool, **settings) -> dict:
    """Return the images/s of the fastest epoch after the first, and the share of the time that training waited."""
    settings = {"data": "cifar10", "epochs": EPOCHS, "optimizer": "sgd"} | settings
    learn = image_learner(**settings, batch_size=bs, graph=graph)
    results = learn.fit_recipe()
    speeds = [row.images_per_second for row in learn.fitted.epochs]
    trained = sum(row.train_seconds for row in learn.fitted.epochs)
    speed = max(speeds[1:] or speeds)
    waits = {"loader_wait": results["loader_wait_seconds"] / trained, "warmup_seconds": results["warmup_seconds"]}
    return {"images_per_second": speed, "ms": 1000 * bs / speed, **waits, "accuracy": results["accuracy"]}


def _plain_on_gpu(bs: int, rounds: int, steps: int = 60) -> float:
    """Return the images/s of the fastest round."""
    device = torch.device("cuda")
    x = torch.randn(bs, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    batches = [(x, torch.randint(0, 10, (bs,), device=device))] * steps
    model = ResNet18().to(device, memory_format=torch.channels_last).train()
    run = plain_loop(model, batches, bf16=precision(device) == "bf16")
    return bs * steps / min(run() for _ in range(1 + rounds))


def show(figures: dict) -> None:
    rows = figures.get("rows") or {"": {k: v for k, v in figures.items() if not isinstance(v, dict)}}
    table = Table("contender", *dict.fromkeys(name for row in rows.values() for name in row))
    for name, row in rows.items():
        table.add_row(name, *(f"{row[c.header]:,.4g}" if c.header in row else "" for c in table.columns[1:]))
    Console().print(table, figures.get("ratios", ""), figures.get("fastest", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", choices=("full", "launch", "cuda"), default="full")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    figures = {"full": full, "launch": launch, "cuda": cuda}[options.scene](options.rounds)
    show(figures)
    write_report("train_step" if options.scene == "full" else f"train_step_{options.scene}", figures)


if __name__ == "__main__":
    main()
