"""Claim: `python app.py fit --epochs 24` reaches 95.5% of the CIFAR-10 test images, and 96.0% with six views.

The accuracy is the mean over ten seeds in the last epoch of the ResNet18 with 11,173,962 parameters. Each seed is a run
of the app and an `evaluate --tta` after it. The benchmark needs a GPU and no network:

    python -m benchmarks.headline [--seeds 10] [--compile] [--budget SECONDS]

Finished runs and their logs are kept in `runs/headline`, and a second call continues from there.
`benchmarks/offline.sh` installs packages and data on a machine without a network.
"""

import argparse
import math

from rich.console import Console
from rich.table import Table

from benchmarks.runs import Job, compare

FLAGS = "--epochs 24"


def show_speed(runs: list[dict]) -> None:
    """Print how the time of each run was spent; the loader's wait is the share of the run that training waited."""
    table = Table("run", "seed", "seconds", "images/s", "loader's wait", "warm-up, seconds")
    for run in runs:
        wait = run["loader_wait_seconds"] / run["seconds"]
        figures = f"{run['seconds']:.1f}", f"{run['images_per_second']:,.0f}", f"{wait:.1%}"
        table.add_row(run["recipe"], str(run["seed"]), *figures, f"{run['warmup_seconds']:.1f}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds")
    options = parser.parse_args()
    flags = f"{FLAGS} --compile" if options.compile else FLAGS
    recipe = "compiled" if options.compile else "default"
    jobs = [Job(recipe, seed, tuple(flags.split())) for seed in range(options.seeds)]
    show_speed(compare("headline_compiled" if options.compile else "headline", jobs, 1, options.budget))


if __name__ == "__main__":
    main()
