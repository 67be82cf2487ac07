"""Claim: an epoch over 20,000 JPEG photographs of 640×480 takes less than 1.5 GB for the whole process tree.

Two workers read the photographs, and no decoded image is kept. The memory is the proportional set size, which counts
pages that processes share once.

    python -m benchmarks.photo_memory [--photos 20000] [--workers 2]

The photographs are noise over gradients: 20,000 files with 100 different contents. Each file is read and decoded.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import write_report

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1.5e9  # bytes
SIDE = 128  # pixels: 20,000 decoded images would take 0.98 GB, twice what `cache=auto` keeps


def make_photos(root: Path, count: int) -> None:
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 200, 640)[None, :, None] * np.linspace(0.2, 1, 480)[:, None, None]
    for label in ("train/a", "train/b", "valid/a"):
        (root / label).mkdir(parents=True)
    for i in range(100):
        photo = np.clip(ramp * rng.random(3) + rng.integers(0, 60, (480, 640, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(root / f"{i}.jpg", quality=85)
    for i in range(count):
        os.link(root / f"{i % 100}.jpg", root / "train" / "ab"[i % 2] / f"{i}.jpg")
    os.link(root / "0.jpg", root / "valid" / "a" / "0.jpg")


def run_epoch(folder: str, workers: int) -> None:
    """Run an epoch in the measured process, and print the number of images and their rate."""
    from data import image_dls
    from learners import Recipe

    dls = image_dls(folder, Recipe(size=SIDE, workers=workers, device="cpu", cache="none"))
    start, count = time.perf_counter(), 0
    for x, _ in dls.train:
        count += len(x)
    print(json.dumps({"images": count, "images_per_second": count / (time.perf_counter() - start)}))


def tree_bytes(pid: int) -> int:
    """Return the proportional set size of a process and all its descendants, from Linux's /proc."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the process ended meanwhile
        return 0
    own = next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    return own + sum(tree_bytes(int(child)) for child in children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epoch-of", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.epoch_of:
        return run_epoch(args.epoch_of, args.workers)
    with tempfile.TemporaryDirectory() as scratch:
        make_photos(Path(scratch) / "photos", args.photos)
        command = [
            sys.executable,
            "-m",
            "benchmarks.photo_memory",
            "--epoch-of",
            f"{scratch}/photos",
            "--workers",
            str(args.workers),
        ]
        child = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"FASTAI_HOME": f"{scratch}/home"}, stdout=subprocess.PIPE, text=True
        )
        peak = 0
        while child.poll() is None:
            peak = max(peak, tree_bytes(child.pid))
            time.sleep(0.2)
        outcome = json.loads(child.stdout.read())
    result = {
        "photos": args.photos,
        "workers": args.workers,
        **outcome,
        "peak_bytes": peak,
        "limit_bytes": LIMIT,
    }
    peak_gb, limit_gb = peak / 1e9, LIMIT / 1e9
    print(f"{outcome['images']:,} photographs, {args.workers} workers: peak {peak_gb:.2f} of {limit_gb} GB")
    write_report("photo_memory", result)


if __name__ == "__main__":
    main()
