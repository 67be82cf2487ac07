"""Claim: a `DataBlock` with Albumentations loads at least 12 times as many images per second as per-item loaders.

It loads 70 times as many as the code in fastai's documentation, and 0.6 times as many as plain numpy. This holds in one
process without workers on CIFAR-10; two workers do not make it slower.

    python -m benchmarks.data_loading [--data FOLDER] [--rounds 5]

All loaders reflect-pad by 4 and crop, flip, blank 8×8 pixels and normalise to float32 N×3×32×32, in batches of 512. One
of them is this project's loader while another thread runs Python all the time. Each loader has its own process with one
thread; they take turns, and a ratio is the median over the rounds. Images per second are measured by the clock and by
the CPU time of the process, which other work on the machine changes less. `--data` is CIFAR-10 as a folder: by default
fastai's copy, or random images of the same shape if there is none.
"""

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}

from benchmarks.loaders import CONTENDERS

TARGETS = {  # contender: what our rate must be, as a multiple of theirs
    "per-item Albumentations": 12,
    "per-item torchvision": 12,
    "fastai's documented idiom": 70,
    "bare numpy": 0.6,
}


def prepare(contender: str, folder: str) -> None:
    """Build the loader and warm it up, in the loader's own process."""
    global epoch
    import torch

    torch.set_num_threads(1)
    epoch = CONTENDERS[contender](folder)
    next(iter(epoch()))


def measure() -> tuple[float, float]:
    """Return the images per second over one epoch, by the clock and by CPU time."""
    wall, cpu, count = time.perf_counter(), time.process_time(), 0
    for x in epoch():
        assert tuple(x.shape[1:]) == (3, 32, 32)
        count += len(x)
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def take_turns(folder: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    spawn = multiprocessing.get_context("spawn")
    pools = {name: ProcessPoolExecutor(1, spawn, initializer=prepare, initargs=(name, folder)) for name in CONTENDERS}
    rates = {name: [] for name in pools}
    for _ in range(rounds):
        for name, pool in pools.items():
            rates[name].append(pool.submit(measure).result())
    for pool in pools.values():
        pool.shutdown()
    return rates


def made_set(folder: Path) -> str:
    """Make 50,000 random images of CIFAR-10's shape."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, count in (("train", 5000), ("test", 100)):
        for label in range(10):
            place = folder / split / f"class{label}"
            place.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(place / f"{i}.png")
    return str(folder)


def report(rates: dict[str, list[tuple[float, float]]], data: str) -> dict:
    table = {}
    print(f"{'images/s in one process':28}{'clock':>9}{'ours is':>9}{'CPU':>9}{'ours is':>9}{'wanted':>8}")
    for name, theirs in rates.items():
        row = {"wanted": TARGETS.get(name)}
        for i, timer in enumerate(("clock", "cpu")):
            row[timer] = statistics.median(rate[i] for rate in theirs)
            pairs = zip(rates["this project"], theirs, strict=True)
            row[f"ours_is_by_{timer}"] = statistics.median(ours[i] / other[i] for ours, other in pairs)
        table[name] = row | {"rounds": theirs}
        print(
            f"{name:28}{row['clock']:>9,.0f}{row['ours_is_by_clock']:>8.2f}x"
            f"{row['cpu']:>9,.0f}{row['ours_is_by_cpu']:>8.2f}x{row['wanted'] or '':>8}"
        )
    return {"data": data, "contenders": table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="CIFAR-10 as a folder of train/ and test/")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    from fastai.data.external import fastai_path

    from benchmarks.report import write_report  # imports torch, which reads the number of threads

    folder = args.data or str(fastai_path("data") / "cifar10")
    with tempfile.TemporaryDirectory() as scratch:
        data = "CIFAR-10"
        if not Path(folder).is_dir():
            folder, data = made_set(Path(scratch) / "made"), "random images of CIFAR-10's shape"
        result = report(take_turns(folder, args.rounds), data)
    write_report("data_loading", result)


if __name__ == "__main__":
    main()
