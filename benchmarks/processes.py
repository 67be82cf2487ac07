"""Claim: one recipe reaches the same accuracy with 1, 2 and 8 processes, within the noise of seeds.

    python -m benchmarks.processes [--counts 1 2 8] [--seeds 5]

The runs train a narrow residual net on digits of 8 pixels on the CPU. A batch has 64 images for all processes together,
so that each of 8 processes normalises with 8 images. Seeds are paired: the result is the difference from one process,
with the standard error of its mean.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console

from benchmarks.report import write_report

SETTINGS = {"data": "digits", "size": 8, "batch_size": 64, "epochs": 6, "device": "cpu", "optimizer": "sgd"}


def job(folder: Path, seeds: int) -> None:
    """Train one run per seed as one of the processes; the first process writes the accuracies."""
    from data.common.launch import process_rank
    from learners import image_learner
    from learners.models import MODELS
    from learners.models.resnet18 import ResNet

    class Narrow(ResNet):
        def __init__(self, n_classes: int, in_channels: int = 3) -> None:
            super().__init__((1, 1, 1, 1), n_classes, in_channels, width=8)

    MODELS["narrow"] = Narrow
    settings = SETTINGS | {"model": "narrow"}
    found = [
        image_learner(**settings, seed=seed, out=folder / str(seed)).fit_recipe()["accuracy"] for seed in range(seeds)
    ]
    if process_rank() == 0:
        (folder / "accuracies.json").write_text(json.dumps(found))


def accuracies(count: int, seeds: int) -> list[float]:
    """Return the accuracies of `seeds` runs, each trained by `count` processes."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
        script = ["-m", "benchmarks.processes", "--job", folder, "--seeds", str(seeds)]
        subprocess.run([sys.executable, *launcher, *script], check=True)
        return json.loads((Path(folder) / "accuracies.json").read_text())


def compared(found: dict[int, list[float]]) -> dict[str, dict]:
    """Return the mean and deviation for each count, and the paired difference from the first count with its error."""
    base, rows = next(iter(found.values())), {}
    for count, values in found.items():
        differences = [value - other for value, other in zip(values, base, strict=True)]
        error = stdev(differences) / len(differences) ** 0.5
        rows[str(count)] = {
            "accuracies": values,
            "mean": mean(values),
            "deviation": stdev(values),
            "difference": mean(differences),
            "error_of_difference": error,
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 8])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--job", type=Path, help="for the processes that this benchmark starts")
    options = parser.parse_args()
    if options.job:
        job(options.job, options.seeds)
        return
    rows = compared({count: accuracies(count, options.seeds) for count in options.counts})
    write_report("processes", {"settings": SETTINGS, "by_processes": rows})
    Console().print(rows)


if __name__ == "__main__":
    main()
