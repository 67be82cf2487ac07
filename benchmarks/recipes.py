"""A comparison of changes of the default recipe over paired seeds.

Question: which change trains a better model?

Each arm is one change. All arms and seeds use the same split: they train on a part of the training images and validate
on the rest; the test images are not used. The runs are done one after another in this process, seed by seed.

    python -m benchmarks.recipes [--scale NAME] [--seeds 2] [--arms NAME …] [--budget SECONDS]

full: CIFAR-10, 40,000 images to train on and 10,000 held out, 24 epochs, for a GPU. small: the net with a quarter of
its channels, 4,000 images at 16 pixels, 2,000 held out, 6 epochs, for a CPU. digits: the bundled digits, 5 epochs.
digits_narrow: the same with a quarter of the channels. cifar_narrow: an eighth of the channels, 10,000 images at 8
pixels, 10,000 held out, 4 epochs. cifar_narrow_muon: the same at 16 pixels with Muon.
Each finished run is kept in `benchmarks/results/recipes_<scale>.json`, and a second call continues from there.
"""

import argparse
import json
import math
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean, stdev
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from benchmarks.narrow import narrow_learner
from benchmarks.report import RESULTS, write_report
from data import Source, open_source
from learners.recipe import Plan, Recipe
from learners.setting import with_current_names

EARLY_EPOCHS = 6  # first epochs, in which a fall of the accuracy is searched for
RUN_EPOCHS = 24  # epochs of the run to which `Arm.epochs` refers


@dataclass(frozen=True)
class Scale:
    """The data and the size of all runs.

    Attributes:
        settings: fields of `Recipe`.
        width: channels of the net's stem.
    """

    settings: dict[str, Any]
    width: int = 64


@dataclass(frozen=True)
class Arm:
    """One change of the default recipe.

    Attributes:
        settings: fields of `Recipe`.
        batch: multiplies the batch size, and the rate with it.
        peak: multiplies the rate.
        epochs: fields of `Recipe` in epochs of a run of 24; shorter runs scale them.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    batch: float = 1.0
    peak: float = 1.0
    epochs: dict[str, float] = field(default_factory=dict)


SCALES = {
    "full": Scale({"data": "cifar10", "holdout": 10_000}),
    "small": Scale({"data": "cifar10", "limit": 4000, "holdout": 2000, "size": 16, "epochs": 6}, width=16),
    "cifar_narrow": Scale({"data": "cifar10", "limit": 10_000, "holdout": 10_000, "size": 8, "epochs": 4}, width=8),
    "cifar_narrow_muon": Scale(
        {"data": "cifar10", "limit": 10_000, "holdout": 10_000, "size": 16, "epochs": 4, "optimizer": "muon"}, width=8
    ),
    "digits": Scale({"data": "digits", "epochs": 5}),
    "digits_narrow": Scale({"data": "digits", "epochs": 5}, width=16),
}
ARMS = {
    "default": Arm(),
    "former": Arm(
        {"weight_decay": 5e-4, "label_smoothing": 0.1, "norm_bias_lr_scale": 1.0, "decay": "cosine"}, peak=0.8
    ),
    "sgd": Arm({"optimizer": "sgd"}),
    "sgd, peak x 0.6": Arm({"optimizer": "sgd"}, peak=0.6),
    "sam": Arm({"sam": 1 / 3}),
    "batch x 2": Arm(batch=2),
    "batch / 2": Arm(batch=0.5),
    "peak x 0.6": Arm(peak=0.6),
    "peak x 1.4": Arm(peak=1.4),
    "weight decay 5e-4": Arm({"weight_decay": 5e-4}),
    "weight decay 2e-3": Arm({"weight_decay": 2e-3}),
    "smoothing 0.1": Arm({"label_smoothing": 0.1}),
    "bias rate 1": Arm({"norm_bias_lr_scale": 1.0}),
    "cosine": Arm({"decay": "cosine"}),
    "no average": Arm({"ema": False}),
    "cutout 10": Arm({"cutout": 10 / 32}),
    "cutout 12": Arm({"cutout": 12 / 32}),
    "peak at epoch 2": Arm(epochs={"peak_epoch": 2}),
    "peak at epoch 8": Arm(epochs={"peak_epoch": 8}),
    "frozen stem": Arm(epochs={"freeze_stem": 3}),
    "kaiming": Arm({"init": "kaiming"}),
    "lr auto": Arm({"lr": "auto"}),
}


def default_recipe(scale: Scale, source: Source) -> Plan:
    """Return the default recipe of the app for the data of `scale`, with all fields set."""
    return Recipe.of(**scale.settings).plan_for(source)


def recipe_of(arm: Arm, default: Plan, seed: int) -> Recipe:
    """Return `default` with the change of `arm`."""
    factor = default.epochs / RUN_EPOCHS
    changes = {
        "seed": seed,
        "batch_size": round(default.batch_size * arm.batch),
        "lr": default.lr * arm.batch * arm.peak,
        **{name: epochs * factor for name, epochs in arm.epochs.items()},
    }
    return Recipe.of(**default.to_dict() | changes | arm.settings)


def train(source: Source, recipe: Recipe, width: int) -> dict[str, Any]:
    """Train once, and return the results on the held-out images."""
    started = perf_counter()
    learn = narrow_learner(recipe, width, source)
    results = learn.fit_recipe()
    rows = learn.fitted.epochs
    return {
        "seed": recipe.seed,
        "accuracy": results["accuracy"],
        "valid_loss": results["valid_loss"],
        "train_loss": rows[-1].train_loss,
        "accuracy_by_epoch": [row.metrics["accuracy"] for row in rows],
        "lr": learn.plan.lr,
        "batch_size": recipe.batch_size,
        "seconds": perf_counter() - started,
    }


def early_fall(accuracies: list[float]) -> float:
    """Return the largest fall of the accuracy from one of the first epochs to the next; 0 if it only rises."""
    early = accuracies[:EARLY_EPOCHS]
    return max([0.0, *(a - b for a, b in pairwise(early))])


def summary(runs: list[dict]) -> dict[str, dict]:
    """Return each arm's accuracy, and its difference from the default over the seeds that both have."""
    default = {run["seed"]: run["accuracy"] for run in runs if run["arm"] == "default"}
    rows = {}
    for name in dict.fromkeys(run["arm"] for run in runs):
        own = [run for run in runs if run["arm"] == name]
        gains = [run["accuracy"] - default[run["seed"]] for run in own if run["seed"] in default]
        rows[name] = {
            "runs": len(own),
            "mean": mean(run["accuracy"] for run in own),
            "deviation": stdev(run["accuracy"] for run in own) if len(own) > 1 else None,
            "difference": mean(gains) if gains else None,
            "error": stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else None,
            "early_fall": max(early_fall(run["accuracy_by_epoch"]) for run in own),
        }
    return rows


def run_queue(scale_name: str, arms: list[str], seeds: int, budget: float) -> list[dict]:
    """Train every arm with every seed that is missing in the JSON file, until `budget` seconds have passed."""
    started, scale = perf_counter(), SCALES[scale_name]
    settings = scale.settings
    source = open_source(settings["data"], 0, settings.get("limit"), settings.get("holdout"))
    default = default_recipe(scale, source)
    runs = finished(scale_name, default)
    done, longest = {(run["arm"], run["seed"]) for run in runs}, 0.0
    queue = [(name, seed) for seed in range(seeds) for name in arms if (name, seed) not in done]
    for name, seed in queue:
        if perf_counter() - started + longest > budget:
            break
        run = {"arm": name, **train(source, recipe_of(ARMS[name], default, seed), scale.width)}
        longest = max(longest, run["seconds"])
        runs.append(run)
        report = {"default": default.to_dict(), "width": scale.width, "summary": summary(runs), "runs": runs}
        write_report(f"recipes_{scale_name}", report)
    return runs


def finished(scale_name: str, default: Recipe) -> list[dict]:
    """Return the runs of an earlier call.

    Raises:
        SystemExit: the runs belong to another default recipe.
    """
    path = RESULTS / f"recipes_{scale_name}.json"
    if not path.exists():
        return []
    report = json.loads(path.read_text())
    known = with_current_names(report["default"])  # a setting that was added later is off by default
    if known != {name: value for name, value in default.to_dict().items() if name in known}:
        raise SystemExit(f"{path} holds runs of another default recipe; move it away to begin anew")
    return report["runs"]


def show(runs: list[dict]) -> None:
    """Print one line per arm, the best first."""
    table = Table(
        Column("arm", no_wrap=True),
        "runs",
        "accuracy",
        "deviation",
        "difference from the default",
        "largest early fall",
    )
    for name, row in sorted(summary(runs).items(), key=lambda item: -item[1]["mean"]):
        error = "" if row["error"] is None else f" ± {100 * row['error']:.2f}"
        difference = "" if row["difference"] is None else f"{100 * row['difference']:+.2f}{error}"
        deviation = "" if row["deviation"] is None else f"{100 * row['deviation']:.2f}"
        fall = f"{100 * row['early_fall']:.1f}"
        table.add_row(name, str(row["runs"]), f"{100 * row['mean']:.2f}", deviation, difference, fall)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="NAME")
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds")
    options = parser.parse_args()
    show(run_queue(options.scale, options.arms, options.seeds, options.budget))


if __name__ == "__main__":
    main()
