"""Claim: a change of the code does not change the runs: the same seeds have the same history and schedule.

    python -m benchmarks.same_history OTHER [--scratch FOLDER]

OTHER is a checkout of another commit. Both checkouts train digits and 512 images of CIFAR-10 for three epochs: without
worker processes, with two of them, and with an interruption by SIGTERM in the second epoch. The files history.csv and
schedule.csv are compared except for the times. One thread is used, because the number of threads changes the last
digits.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = {"digits": ["--size", "8"], "cifar10": ["--size", "16", "--limit", "512"]}
TIMES = ("seconds", "images_per_second")


def train(checkout: Path, *flags: str) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "app.py", "fit", *flags, "--json"]
    return subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL)


def runs(checkout: Path, folder: Path) -> None:
    """Train in `checkout`, and write a run directory for each case into `folder`."""
    for data, size in DATA.items():
        flags = ["--data", data, *size, "--epochs", "3"]
        for workers in ("0", "2"):
            case = folder / f"{data}, {workers} workers"
            train(checkout, *flags, "--workers", workers, "--cache", "none", "--out", str(case)).wait()
        case = folder / f"{data}, interrupted"
        first = train(checkout, *flags, "--out", str(case))
        while first.poll() is None and not (case / "history.csv").exists():
            time.sleep(0.1)
        first.send_signal(signal.SIGTERM)
        first.wait()
        train(checkout, "--resume", str(case)).wait()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path)
    parser.add_argument("--scratch", type=Path)
    options = parser.parse_args()
    scratch = options.scratch or Path(tempfile.mkdtemp())
    for name, checkout in (("ours", ROOT), ("theirs", options.other.resolve())):
        (scratch / name).mkdir(parents=True)
        runs(checkout, scratch / name)
    different = 0
    for case in sorted((scratch / "ours").iterdir()):
        for name in ("history.csv", "schedule.csv"):
            ours, theirs = rows(case / name), rows(scratch / "theirs" / case.name / name)
            different += ours != theirs
            print(f"{case.name}, {name}: {'equal' if ours == theirs else 'DIFFERENT'}, {len(ours)} rows")
    return different


if __name__ == "__main__":
    sys.exit(main())
