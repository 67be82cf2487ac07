"""Claim: this finder's suggestion varies between seeds at most half as much as those of others, and trains as well.

For each seed there is one model (a narrow residual net with batch norm) on the same data. Compared are the suggestions
of this finder, of fastai's `lr_find` (valley) and of the package torch-lr-finder (steepest gradient), each with its own
defaults, and the validation loss after a short one-cycle run with the suggested peak (at 5/24 of the run, Nesterov
SGD).

    python -m benchmarks.lr_finder [--data cifar10] [--limit 2500] [--size 8] [--seeds 10] [--epochs 4]
    python -m benchmarks.lr_finder --data digits
"""

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fastai.callback.schedule  # gives `Learner` its `lr_find` and `fit_one_cycle`
import matplotlib as mpl
import numpy as np
import torch
import torch_lr_finder
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.report import write_report
from callbacks.lr_find.finder import find_lr
from data import image_dls
from learners import Recipe
from learners.training.optimizer import RecipeOptimizer, body_and_head

BATCH, WIDTH = 64, 12  # images, channels of the first layer


class SmallResNet(nn.Module):
    """A residual net from N×3×H×W to N×classes with two blocks and batch norm, small enough for many runs on a CPU."""

    def __init__(self, n_classes: int, width: int = WIDTH):
        super().__init__()
        self.stem, self.block1 = layer(3, width), nn.Sequential(layer(width, width), nn.ReLU(), layer(width, width))
        w = 2 * width
        self.down, self.block2 = layer(width, w, 2), nn.Sequential(layer(w, w), nn.ReLU(), layer(w, w))
        self.top, self.fc = layer(w, 2 * w, 2), nn.Linear(2 * w, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = F.relu(self.down(F.relu(x + self.block1(x))))  # N×2w×H/2×W/2
        x = F.relu(self.top(F.relu(x + self.block2(x))))  # N×4w×H/4×W/4
        return self.fc(x.mean((2, 3)))


def layer(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out))


def learner(recipe: Recipe, path: str, model: Callable[[int], nn.Module] = SmallResNet) -> Learner:
    """Return a plain fastai learner, which every finder accepts; the same recipe returns the same learner."""
    dls = image_dls(recipe.data, recipe)
    torch.manual_seed(recipe.seed)
    net = model(len(dls.vocab))
    return Learner(
        dls,
        net,
        CrossEntropyLossFlat(label_smoothing=recipe.label_smoothing),
        opt_func=partial(RecipeOptimizer, model=net, recipe=recipe),
        splitter=body_and_head,
        path=path,
    )


def ours(learn: Learner) -> float | None:
    return find_lr(learn).lr


def fastai(learn: Learner) -> float:
    with learn.no_bar():
        return float(learn.lr_find(show_plot=False).valley)


class Batches(torch_lr_finder.TrainDataLoaderIter):
    """The interface that the package requires of a loader that is not PyTorch's own."""

    def __init__(self, dl):
        self.dl, self.batches = dl, iter(dl)

    def __next__(self):
        for x, y in self.batches:
            return torch.Tensor(x), torch.as_tensor(y).as_subclass(torch.Tensor)
        self.batches = iter(self.dl)
        return next(self)


def lr_finder_package(learn: Learner) -> float:
    optimizer = torch.optim.SGD(learn.model.parameters(), lr=1e-7, momentum=0.9, nesterov=True, weight_decay=5e-4)
    peer = torch_lr_finder.LRFinder(learn.model, optimizer, learn.loss_func, device="cpu")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        peer.range_test(Batches(learn.dls.train), end_lr=10, num_iter=100)
        _, lr = peer.plot()
    return float(lr)


FINDERS = {
    "this finder": ours,
    "fastai lr_find, valley": fastai,
    "torch-lr-finder, steepest": lr_finder_package,
}
PEERS = list(FINDERS)[1:]


def final_loss(learn: Learner, lr: float, epochs: int) -> float:
    """Return the validation loss after one cycle."""
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(epochs, lr, div=5, pct_start=5 / 24, moms=(0.9, 0.9, 0.9))
    return float(learn.recorder.values[-1][1])


def run(settings: dict[str, Any], seeds: int, epochs: int) -> dict[str, dict[str, list]]:
    """Return the suggestion of each finder for each seed, and the loss of a run with it."""
    found = {name: {"lrs": [], "losses": []} for name in FINDERS}
    for seed in range(seeds):
        for name, find in FINDERS.items():
            recipe = Recipe.of(**settings, seed=seed)
            with TemporaryDirectory() as path:
                lr = find(learner(recipe, path))
                loss = None if lr is None else final_loss(learner(recipe, path), lr, epochs)
            found[name]["lrs"].append(lr)
            found[name]["losses"].append(loss)
            print(f"seed {seed}, {name}: rate {lr}, final loss {loss}", file=sys.stderr)
    return found


def summary(found: dict[str, list]) -> dict[str, float]:
    lrs = [lr for lr in found["lrs"] if lr is not None]
    losses = [loss for loss in found["losses"] if loss is not None]
    low, median, high = np.percentile(lrs, [10, 50, 90]).tolist()
    return {
        "median": median,
        "spread": high / low,
        "mean_loss": float(np.mean(losses)),
        "abstained": found["lrs"].count(None),
    }


def difference(ours: dict[str, list], peer: dict[str, list]) -> tuple[float, float]:
    """Return the mean over the seeds of our final loss minus the peer's, and its standard error."""
    pairs = [(a, b) for a, b in zip(ours["losses"], peer["losses"], strict=True) if a is not None and b is not None]
    differences = [a - b for a, b in pairs]
    return float(np.mean(differences)), float(np.std(differences, ddof=1) / len(differences) ** 0.5)


def table(rows: dict[str, dict[str, float]]) -> Table:
    table = Table("finder", "median rate", "spread p90/p10", "mean final loss", "abstained")
    for name, row in rows.items():
        figures = f"{row['median']:.3g}", f"{row['spread']:.2f}", f"{row['mean_loss']:.4f}", str(row["abstained"])
        table.add_row(name, *figures)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--limit", type=int, default=2500)
    parser.add_argument("--size", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    mpl.use("Agg")

    settings = {"data": args.data, "limit": args.limit, "size": args.size, "batch_size": BATCH, "device": "cpu"}
    found = run(settings, args.seeds, args.epochs)
    rows = {name: summary(figures) for name, figures in found.items()}
    Console(width=100).print(table(rows))

    spread = rows["this finder"]["spread"] / min(rows[name]["spread"] for name in PEERS)
    best = min(PEERS, key=lambda name: rows[name]["mean_loss"])
    loss, error = difference(found["this finder"], found[best])
    print(f"spread over the better peer's: {spread:.2f} (at most 0.5)")
    print(f"mean final loss less the best peer's: {loss:+.4f} ± {error:.4f} (at most 0)")
    settings["data"] = Path(args.data).name
    settings |= {"seeds": args.seeds, "epochs": args.epochs}
    write_report(
        f"lr_finder_{settings['data']}",
        {"settings": settings, "summary": rows, "loss_difference": [loss, error], "runs": found},
    )


if __name__ == "__main__":
    main()
