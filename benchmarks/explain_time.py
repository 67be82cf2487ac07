"""Claim: `explain` takes at most 60 s on a run of CIFAR-10 and at most 25 s on a run of the digits, on two cores.

Each command is a separate process, and its time includes the start and the figures. The seconds of the processor are
measured too, which other work on the machine changes less: on two cores the clock shows at best half of them.

    python -m benchmarks.explain_time RUN [RUN ...]
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from rich.console import Console
from rich.table import Table

from benchmarks.report import write_report
from learners.run_directory.run import Run

LIMITS = {"cifar10": 60, "digits": 25}  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    runs = parser.parse_args().runs
    seconds = {Run.open(run).recipe.data: timed(run) for run in runs}
    table = Table("run of", "seconds", "seconds of the processor", "at most", "busy processes meanwhile")
    for data, row in seconds.items():
        table.add_row(data, f"{row['wall']:.0f}", f"{row['cpu']:.0f}", str(LIMITS.get(data, "")), f"{row['load']:.1f}")
    Console(width=110).print(table)
    write_report("explain_time", {"limits": LIMITS, "seconds": seconds})


def timed(run: Path) -> dict[str, float]:
    """Return the seconds of the command by the clock and of the processor, and the mean load of the last minute."""
    before, started = os.times(), perf_counter()
    with TemporaryDirectory() as out:
        command = [sys.executable, "app.py", "explain", str(run), "--out", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = sum(getattr(after, part) - getattr(before, part) for part in ("children_user", "children_system"))
    return {"wall": perf_counter() - started, "cpu": cpu, "load": os.getloadavg()[0]}


if __name__ == "__main__":
    main()
