"""Runs of the app in separate processes; they can be stopped at any time and continued by another call."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.report import write_report

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs"
FIGURES = ("accuracy", "valid_loss", "accuracy_tta")


@dataclass(frozen=True)
class Job:
    """A run of `app.py fit`, followed by `evaluate --tta` if `tta` is true.

    Attributes:
        recipe: name of the recipe in the comparison.
        flags: flags of `fit` without the seed.
    """

    recipe: str
    seed: int
    flags: tuple[str, ...]
    tta: bool = True

    @property
    def name(self) -> str:
        return f"{self.recipe}-{self.seed}"


def run_all(jobs: list[Job], folder: Path, at_once: int = 1, budget: float = float("inf")) -> Iterator[dict]:
    """Yield the results of each job when it ends; results of an earlier call in `folder` come first.

    Args:
        folder: directory for a run directory and a log of each job.
        at_once: number of simultaneous processes; if there are several, each has one thread.
        budget: seconds; no job is started that would end later if it took as long as the longest job so far.

    Raises:
        RuntimeError: a job failed; the message names its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started, longest = perf_counter(), 0.0
    waiting = [job for job in jobs if not _finished(job, folder / job.name)]
    yield from (_figures(job, folder / job.name) for job in jobs if job not in waiting)
    with ThreadPoolExecutor(at_once) as pool:
        while waiting and perf_counter() - started + longest < budget:
            batch, waiting = waiting[:at_once], waiting[at_once:]
            begun = perf_counter()
            for done in as_completed([pool.submit(_run, job, folder, at_once) for job in batch]):
                yield done.result()
            longest = max(longest, perf_counter() - begun)


def _finished(job: Job, run: Path) -> bool:
    path = run / "metrics.json"
    return path.exists() and (not job.tta or "accuracy_tta" in json.loads(path.read_text()))


def _run(job: Job, folder: Path, at_once: int) -> dict:
    run = folder / job.name
    threads = {"OMP_NUM_THREADS": "1"} if at_once > 1 else {}
    begun = (run / "recipe.json").exists()  # an earlier call was interrupted
    fit = ["fit", *job.flags, "--seed", job.seed, "--resume" if begun else "--out", run]
    commands = [fit, ["evaluate", run, "--tta"]]
    with (folder / f"{job.name}.log").open("a") as log:
        for command in commands[: 1 + job.tta]:
            line = [sys.executable, "app.py", *map(str, command)]
            done = subprocess.run(line, cwd=ROOT, env=os.environ | threads, stdout=log, stderr=log, check=False)
            if done.returncode:
                raise RuntimeError(f"{job.name} failed with code {done.returncode}; see {log.name}")
    return _figures(job, run)


def _figures(job: Job, run: Path) -> dict:
    recipe = json.loads((run / "recipe.json").read_text())
    return {"recipe": job.recipe, "commit": recipe["commit"], **json.loads((run / "metrics.json").read_text())}


def compare(name: str, jobs: list[Job], at_once: int, budget: float) -> list[dict]:
    """Run the jobs in `runs/<name>`, write `benchmarks/results/<name>.json` after each of them, and print a table."""
    runs, flags = [], {job.recipe: " ".join(job.flags) for job in jobs}
    for figures in run_all(jobs, RUNS / name, at_once, budget):
        runs.append(figures)
        write_report(name, {"flags": flags, "planned": len(jobs), "summary": summary(runs), "runs": runs})
    table = Table("recipe", "runs", *FIGURES)
    for recipe, group in summary(runs).items():
        table.add_row(recipe, str(group["runs"]), *(f"{group[f]['mean']:.4f}" for f in FIGURES if f in group))
    Console().print(table)
    return runs


def summary(runs: list[dict]) -> dict[str, dict]:
    """Return the number, mean and standard deviation over the seeds of each recipe."""
    groups = {name: [r for r in runs if r["recipe"] == name] for name in sorted({r["recipe"] for r in runs})}
    return {
        name: {"runs": len(group)} | {f: _spread([r[f] for r in group]) for f in FIGURES if f in group[0]}
        for name, group in groups.items()
    }


def _spread(values: list[float]) -> dict[str, float | None]:
    return {"mean": mean(values), "deviation": stdev(values) if len(values) > 1 else None}
