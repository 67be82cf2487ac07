"""Claim: the recommended learning rate is within a factor of 2.5 of the best peak of a one-cycle run, in all rows.

Each row has one run at each peak of a grid, the recommendations for a few seeds, one run at their median, and the
suggestions of two other finders on the same models: fastai's `lr_find` (valley) and the package torch-lr-finder
(steepest gradient). The best peak is the one with the lowest validation loss, which varies less than the accuracy of so
few images; the peak of the highest accuracy is given too. Other peaks are equally good if their accuracy is lower by at
most the standard error of a difference. The rows train narrow copies of ResNet18 (the same graph with fewer channels),
so that the table can be made on a CPU.

    python -m benchmarks.lr_table [--budget SECONDS] [--rows NAME …]

Each result is written to benchmarks/results/lr_table.json as soon as it is measured; another call continues from there.
The rows in `ON_DEMAND` are measured only if --rows names them: CIFAR-100, whose images must be downloaded, and the rows
that take longest.
"""

import argparse
import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import matplotlib as mpl
import numpy as np
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.torch_core import set_seed
from rich.console import Console
from rich.table import Table

from benchmarks.lr_finder import fastai, lr_finder_package
from benchmarks.lr_table_rows import FINDERS, ON_DEMAND, PEAKS, ROWS, Job, Row
from benchmarks.narrow import narrow_learner
from benchmarks.pictures import make_pictures
from benchmarks.report import RESULTS, write_report
from learners import Recipe
from learners.learner import ImageLearner
from learners.training.optimizer import RecipeOptimizer, body_and_head

NAME = "lr_table"
WITHIN = 2.5
Figures = dict[str, float | list[float] | None]  # by `Job.key`


def jobs(names: list[str], figures: Figures) -> Iterator[Job]:
    """Return the jobs of a row: the grid, then the finders, then a run at the median recommendation."""
    for name in names:
        row = ROWS[name]
        yield from (Job(name, seed, peak) for peak in PEAKS for seed in range(row.runs))
        yield from (Job(name, seed, finder=FINDERS[0]) for seed in range(row.seeds))
        yield from (Job(name, 0, finder=peer) for peer in FINDERS[1:])
        if (lr := recommended(name, figures)) is not None:
            yield from (Job(name, seed, lr) for seed in range(row.runs))


def recommended(name: str, figures: Figures, finder: str = FINDERS[0]) -> float | None:
    """Return a finder's median recommendation to three digits; None if it has not run or recommends nothing."""
    rates = [figures.get(Job(name, seed, finder=finder).key) for seed in range(ROWS[name].seeds)]
    rates = [rate for rate in rates if rate is not None]
    return float(f"{np.median(rates):.3g}") if rates else None


def measure(job: Job, pictures: Path) -> float | list[float] | None:
    """Return the recommendation of a finder, or the accuracy and validation loss of a run."""
    row = ROWS[job.row]
    settings = row.settings | ({"data": str(pictures)} if row.settings["data"] == "pictures" else {})
    recipe = Recipe.of(**settings, seed=job.seed, device="cpu", lr=job.peak)
    learn = narrow_learner(recipe, row.width)
    set_seed(recipe.seed)
    if job.finder in FINDERS[1:]:
        with TemporaryDirectory() as path:
            peer = fastai if job.finder == FINDERS[1] else lr_finder_package
            return peer(plain_learner(learn, path))
    if job.finder:
        return learn.lr_find().lr
    results = learn.fit_recipe()
    return [results["accuracy"], results["valid_loss"]]


def plain_learner(learn: ImageLearner, path: str) -> Learner:
    """Return a plain fastai learner with the same model and batches, which the other finders accept."""
    plan = learn.plan
    loss_func = CrossEntropyLossFlat(label_smoothing=plan.label_smoothing)
    opt_func = partial(RecipeOptimizer, model=learn.model, recipe=plan)
    return Learner(learn.dls, learn.model, loss_func, opt_func=opt_func, splitter=body_and_head, path=path)


def measure_all(names: list[str], budget: float) -> Figures:
    """Measure all missing results and write each at once; start none after `budget` seconds."""
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


def load() -> Figures:
    path = RESULTS / f"{NAME}.json"
    return json.loads(path.read_text())["figures"] if path.exists() else {}


def write(figures: Figures) -> None:
    rows = {name: {"settings": row.settings, "width": row.width} for name, row in ROWS.items()}
    summaries = {name: found for name in ROWS if (found := summary(name, figures))}
    missing = [f"{name}: not measured; {why}" for name, why in ON_DEMAND.items() if name not in summaries]
    write_report(NAME, {"rows": rows, "summaries": summaries, "missing": missing, "figures": figures})


def summary(name: str, figures: Figures) -> dict[str, Any] | None:
    """Return the entries of the table for a row, or None if a result is missing."""
    row, lr = ROWS[name], recommended(name, figures)
    grid = {peak: results(name, peak, figures) for peak in PEAKS}
    at_lr = lr and results(name, lr, figures)
    if at_lr is None or None in grid.values():
        return None
    accuracies = {peak: accuracy for peak, (accuracy, _) in grid.items()}
    best = min(grid, key=lambda peak: grid[peak][1])
    most_accurate, as_good = max(accuracies, key=accuracies.get), equally_accurate(accuracies, row)
    return {
        "recommended": lr,
        "rates": [figures[Job(name, seed, finder=FINDERS[0]).key] for seed in range(row.seeds)],
        "best": best,
        "factor": factor(lr, best),
        "most_accurate": most_accurate,
        "factor_most_accurate": factor(lr, most_accurate),
        "as_good": as_good,
        "accuracy_recommended": at_lr[0],
        "accuracy_best": accuracies[best],
        "default": row.default,
        "accuracy_default": accuracies[row.default],
        "grid": {peak: {"accuracy": accuracy, "valid_loss": loss} for peak, (accuracy, loss) in grid.items()},
        "peers": {finder: recommended(name, figures, finder) for finder in FINDERS[1:]},
    }


def factor(a: float, b: float) -> float:
    """Return the larger learning rate divided by the smaller one."""
    return max(a / b, b / a)


def equally_accurate(accuracies: dict[float, float], row: Row) -> list[float]:
    """Return the peaks whose accuracy is below the highest by at most the binomial standard error of a difference."""
    most = max(accuracies.values())
    error = (2 * most * (1 - most) / row.valid_images / row.runs) ** 0.5
    return [peak for peak, accuracy in accuracies.items() if accuracy >= most - error]


def results(name: str, peak: float, figures: Figures) -> list[float] | None:
    """Return the mean accuracy and validation loss over the seeds, or None if one is missing."""
    found = [figures.get(Job(name, seed, peak).key) for seed in range(ROWS[name].runs)]
    return None if None in found else np.mean(found, axis=0).tolist()


def table(figures: Figures) -> Table:
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
            grid = " ".join(f"{100 * run['accuracy']:.1f}" for run in found["grid"].values())
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
