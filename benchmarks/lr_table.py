"""Claim: the recommended rate lies within a factor of 2.5 of the best peak of a one-cycle run, whatever is trained.

For each row one run at each peak of a grid, the recommendation over a few seeds, one run at its median, and what two
peers suggest on the same nets: fastai's `lr_find` (valley) and the torch-lr-finder package (steepest gradient). Peaks
are as good as the best where their accuracy is less by no more than the standard error of a difference. The rows train
narrow copies of ResNet18 (the same graph with fewer channels), so that the table can be made on a CPU.

    python -m benchmarks.lr_table [--budget SECONDS] [--rows NAME …]

Each figure is kept in benchmarks/results/lr_table.json as soon as it is measured; another call goes on from there.
Two rows are measured only where --rows names them: CIFAR-100, whose images must be fetched, and the costliest.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import matplotlib as mpl
import numpy as np
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import set_seed
from rich.console import Console
from rich.table import Table

from benchmarks.lr_finder import fastai, lr_finder_package
from benchmarks.pictures import make_pictures
from benchmarks.report import RESULTS, write_report
from data import image_dls
from learners import Recipe
from learners.factory import assemble, initial_model
from learners.learner import ImageLearner
from learners.optimizer import opt_func, splitter
from learners.recipe import REFERENCE_BATCH, REFERENCE_LR

NAME = "lr_table"
PEAKS = (0.03125, 0.0625, 0.125, 0.25, 0.5)  # the default of every row is one of them
WITHIN = 2.5
FINDERS = ("this finder", "fastai lr_find, valley", "torch-lr-finder, steepest")


@dataclass(frozen=True)
class Row:
    """What is trained: fields of `Recipe`, the width of the net (64 is the published one), and how many seeds."""

    settings: dict[str, Any]
    valid_images: int
    width: int = 8
    seeds: int = 2  # of the finders
    runs: int = 1  # seeds of each run of the grid

    @property
    def default(self) -> float:
        """The peak of the default recipe."""
        return REFERENCE_LR * self.settings["batch_size"] / REFERENCE_BATCH


def cifar(batch_size: int, size: int, limit: int, epochs: int, data: str = "cifar10", **more: int) -> Row:
    settings = {"data": data, "size": size, "limit": limit, "batch_size": batch_size, "epochs": epochs}
    return Row(settings, valid_images=limit, **more)


ROWS = {
    "digits, batch 32": Row({"data": "digits", "batch_size": 32, "epochs": 8}, valid_images=359, runs=2),
    "CIFAR-10, 16 pixels, batch 64": cifar(64, size=16, limit=5000, epochs=8),
    "CIFAR-10, 16 pixels, batch 256": cifar(256, size=16, limit=5000, epochs=8),
    "CIFAR-10, 32 pixels, batch 64": cifar(64, size=32, limit=2000, epochs=6),
    "CIFAR-10, 32 pixels, batch 256": cifar(256, size=32, limit=2560, epochs=8),
    "CIFAR-10, 8 pixels, batch 128, width 32": cifar(128, size=8, limit=2500, epochs=8, width=32),
    "CIFAR-10, 8 pixels, batch 128, 4 epochs": cifar(128, size=8, limit=10000, epochs=4),
    "CIFAR-10, 8 pixels, batch 128, 16 epochs": cifar(128, size=8, limit=10000, epochs=16),
    "pictures of 128 pixels, batch 32": Row({"data": "pictures", "batch_size": 32, "epochs": 6}, valid_images=160),
    "CIFAR-100, 16 pixels, batch 64": cifar(64, size=16, limit=5000, epochs=8, data="cifar100"),
}
ON_DEMAND = {  # measured only where --rows names them, and why
    "CIFAR-10, 32 pixels, batch 256": "it takes as long as all other rows",
    "CIFAR-100, 16 pixels, batch 64": "its images must be fetched",
}


@dataclass(frozen=True)
class Job:
    """One figure: the accuracy of a run that peaks at `peak`, or what `finder` recommends."""

    row: str
    seed: int
    peak: float | None = None
    finder: str | None = None

    @property
    def key(self) -> str:
        return f"{self.row}; seed {self.seed}; {self.finder or f'peak {self.peak:.4g}'}"


def jobs(names: list[str], figures: dict[str, float | None]) -> Iterator[Job]:
    """The grid, then the finders, then a run at the median recommendation, which is known by then."""
    for name in names:
        row = ROWS[name]
        yield from (Job(name, seed, peak) for peak in PEAKS for seed in range(row.runs))
        yield from (Job(name, seed, finder=finder) for finder in FINDERS for seed in range(row.seeds))
        if (lr := recommended(name, figures)) is not None:
            yield from (Job(name, seed, lr) for seed in range(row.runs))


def recommended(name: str, figures: dict[str, float | None], finder: str = FINDERS[0]) -> float | None:
    """The median of what a finder recommends, to three digits, or None where it has not run or recommends nothing."""
    rates = [figures.get(Job(name, seed, finder=finder).key) for seed in range(ROWS[name].seeds)]
    rates = [rate for rate in rates if rate is not None]
    return float(f"{np.median(rates):.3g}") if rates else None


def measure(job: Job, pictures: Path) -> float | None:
    """The figure of a job."""
    row = ROWS[job.row]
    settings = row.settings | ({"data": str(pictures)} if row.settings["data"] == "pictures" else {})
    recipe = Recipe.of(**settings, seed=job.seed, device="cpu", lr=job.peak)
    dls = image_dls(recipe.data, recipe)
    if job.finder in FINDERS[1:]:
        with TemporaryDirectory() as path:
            peer = fastai if job.finder == FINDERS[1] else lr_finder_package
            return peer(plain_learner(dls, row.width, path))
    learn = image_learner(dls, row.width)
    return learn.lr_find().lr if job.finder else learn.fit_recipe()["accuracy"]


def image_learner(dls: DataLoaders, width: int) -> ImageLearner:
    """The project's learner; the seed decides its weights."""
    learn = assemble(dls, initial_model(dls, width))
    set_seed(dls.recipe.seed)
    return learn


def plain_learner(dls: DataLoaders, width: int, path: str) -> Learner:
    """fastai's own learner of the same net, on which the peers can work."""
    recipe = dls.recipe
    loss_func = CrossEntropyLossFlat(label_smoothing=recipe.label_smoothing)
    kwargs = {"opt_func": opt_func(recipe), "splitter": splitter(recipe), "path": path}
    set_seed(recipe.seed)
    return Learner(dls, initial_model(dls, width), loss_func, **kwargs)


def measure_all(names: list[str], budget: float) -> dict[str, float | None]:
    """Every figure that is not there yet, each written as soon as it is known; none is begun after `budget` seconds."""
    figures = load()
    started = perf_counter()
    with TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        if any(ROWS[name].settings["data"] == "pictures" for name in names):
            make_pictures(pictures)
        for job in jobs(names, figures):
            if perf_counter() - started > budget:
                break
            if job.key not in figures:
                figures[job.key] = measure(job, pictures)
                write(figures)
    return figures


def load() -> dict[str, float | None]:
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text())["figures"] if path.exists() else {}


def write(figures: dict[str, float | None]) -> None:
    rows = {name: {"settings": row.settings, "width": row.width} for name, row in ROWS.items()}
    summaries = {name: found for name in ROWS if (found := summary(name, figures))}
    missing = [f"{name}: not measured; {why}" for name, why in ON_DEMAND.items() if name not in summaries]
    write_report(NAME, {"rows": rows, "summaries": summaries, "missing": missing, "figures": figures})


def summary(name: str, figures: dict[str, float | None]) -> dict[str, Any] | None:
    """What the table says of a row, or None where something has not been measured."""
    row = ROWS[name]
    lr = recommended(name, figures)
    grid = {peak: accuracy(name, peak, figures) for peak in PEAKS}
    if lr is None or None in (*grid.values(), accuracy(name, lr, figures)):
        return None
    best = max(grid, key=grid.get)
    error = (2 * grid[best] * (1 - grid[best]) / row.valid_images / row.runs) ** 0.5  # of a difference, binomial
    as_good = [peak for peak in PEAKS if grid[peak] >= grid[best] - error]
    rates = [figures[Job(name, seed, finder=FINDERS[0]).key] for seed in range(row.seeds)]
    return {
        "recommended": lr,
        "rates": rates,
        "best": best,
        "factor": max(lr / best, best / lr),
        "as_good": as_good,
        "factor_as_good": max(1.0, lr / as_good[-1], as_good[0] / lr),
        "accuracy_recommended": accuracy(name, lr, figures),
        "accuracy_best": grid[best],
        "default": row.default,
        "accuracy_default": grid[row.default],
        "grid": grid,
        "peers": {finder: recommended(name, figures, finder) for finder in FINDERS[1:]},
    }


def accuracy(name: str, peak: float, figures: dict[str, float | None]) -> float | None:
    """The mean over the seeds, or None where one is missing."""
    found = [figures.get(Job(name, seed, peak).key) for seed in range(ROWS[name].runs)]
    return None if None in found else float(np.mean(found))


def table(figures: dict[str, float | None]) -> Table:
    columns = (
        "row",
        "recommended",
        "best",
        "factor",
        "as good",
        "accuracy at both and at the default",
        "grid",
        "valley",
        "steepest",
    )
    table = Table(*columns)
    for name in ROWS:
        if found := summary(name, figures):
            at_both = ", ".join(f"{found[f'accuracy_{which}']:.1%}" for which in ("recommended", "best", "default"))
            grid = " ".join(f"{100 * value:.1f}" for value in found["grid"].values())
            rates = [f"{found['recommended']:.3g}", f"{found['best']:.3g}"]
            as_good = f"{found['as_good'][0]:.3g} to {found['as_good'][-1]:.3g}"
            peers = ["-" if lr is None else f"{lr:.2g}" for lr in found["peers"].values()]
            table.add_row(name, *rates, f"{found['factor']:.2f}", as_good, at_both, grid, *peers)
        else:
            table.add_row(name, "not measured")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=[r for r in ROWS if r not in ON_DEMAND])
    options = parser.parse_args()
    mpl.use("Agg")
    figures = measure_all(options.rows, options.budget)
    write(figures)
    Console(width=160).print(table(figures))
    factors = [found["factor"] for name in ROWS if (found := summary(name, figures))]
    if factors:
        print(f"largest factor: {max(factors):.2f} (at most {WITHIN})")


if __name__ == "__main__":
    main()
