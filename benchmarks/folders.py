"""Claim: 100,000 files are listed in 3 s; the time and memory to list, cache and check files grow with their number.

python -m benchmarks.folders                   # 1,000, 10,000 and 100,000 made files of 16×16 pixels
python -m benchmarks.folders --data cifar10    # check alone, on that data set, added to the same JSON

Each result is that of a separate process. The processor time is that of all its processes; it depends less on other
programs than the clock. The peak of memory is that of the largest process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

SIDE, CLASSES = 16, 10
COUNTS = (1_000, 10_000, 100_000)


def make(folder: Path, count: int) -> None:
    """Write `count` different images of blurred noise."""
    rng = np.random.default_rng(count)
    for i in range(count):
        path = folder / f"class{i % CLASSES}" / f"{i:06d}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path)


def listing(data: str) -> int:
    from data.sources.folder import list_splits

    return len(list_splits(Path(data)).train)


def caching(data: str) -> int:
    from data.decoding.cache import load_pixels
    from data.opening import open_source

    pixels = load_pixels(open_source(data), SIDE, "memory")
    assert pixels is not None
    return len(pixels)


def checking(data: str) -> dict[str, int]:
    from data.check.report import check_data

    found = {one.kind: len(one.cases) for one in check_data(data).findings}
    return dict(sorted(found.items()))


TASKS = {task.__name__: task for task in (listing, caching, checking)}


def measure(task: str, data: str) -> dict[str, Any]:
    """Return the time and memory of a task, in this process and those that it starts."""
    started, before = perf_counter(), _processor_seconds()
    result = TASKS[task](data)
    seconds, used = perf_counter() - started, _processor_seconds() - before
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"seconds": seconds, "processor_seconds": used, "peak_bytes": peak * 1024, "result": result}


def _processor_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def in_a_process(task: str, data: str, home: str | None = None) -> dict[str, Any]:
    environment = os.environ | ({"FASTAI_HOME": home} if home else {})
    command = [sys.executable, "-m", "benchmarks.folders", "--task", task, "--data", data]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def made_folders() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "pictures"
            folder.mkdir()
            make(folder, count)
            rows[f"{count}"] = {task: in_a_process(task, str(folder), f"{scratch}/home") for task in TASKS}
            Console().print(count, rows[f"{count}"])
    return rows


def table(rows: dict[str, dict[str, Any]]) -> Table:
    shown = Table("files", *(f"{task}: s, s of processor, MB" for task in TASKS))
    for count, row in rows.items():
        cells = (f"{r['seconds']:.2f}  {r['processor_seconds']:.2f}  {r['peak_bytes'] / 1e6:.0f}" for r in row.values())
        shown.add_row(f"{int(count):,}", *cells)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="check this data set, and nothing else")
    parser.add_argument("--task", choices=TASKS, help="do this once in this process, and print what it costs")
    options = parser.parse_args()
    if options.task:
        print(json.dumps(measure(options.task, options.data)))
        return
    fresh = (
        {"named": {options.data: in_a_process("checking", options.data)}}
        if options.data
        else {"made": made_folders(), "load": os.getloadavg()[0]}
    )
    from benchmarks.report import RESULTS, write_report  # imports torch: a process that is started later has its peak

    path = RESULTS / "folders.json"
    report = (json.loads(path.read_text()) if path.exists() else {}) | fresh
    Console().print(table(report["made"]) if "made" in fresh else fresh)
    write_report("folders", report)


if __name__ == "__main__":
    main()
