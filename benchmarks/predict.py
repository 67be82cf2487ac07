"""Claim: predicting 1,000 photographs takes at most 1.3 times the time of decoding and forward passes alone.

The memory for 10,000 images is that for 1,000 within 2%.

    python -m benchmarks.predict [--images 1000] [--many 10000] [--rounds 1]

The photographs are JPEG files of 640×480, shrunk to 32 pixels, and the model is the default one. Decoding alone, the
forward passes alone, and `predict` with its table take turns in one process. The memory is the peak of resident pages
of a separate process with a narrow model: the images pass through the same code in a hundredth of the time.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.photo_memory import make_photos
from benchmarks.report import write_report
from data import Stats
from data.decoding.reading import read_pixels
from data.named_images import named_images
from learners.models import MODELS
from learners.models.resnet18 import ResNet18
from learners.prediction.predictions import predict
from learners.prediction.predictor import Predictor
from learners.run_directory.model_files import write_model

ROOT = Path(__file__).parent.parent
LIMIT, MEMORY_LIMIT = 1.3, 1.02
SIZE, CLASSES, NARROW = 32, 10, 4  # pixels, classes, channels of the narrow net
STATS = Stats((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

MODELS["narrow"] = partial(ResNet18, width=NARROW)


def make_run(folder: Path, architecture: str) -> Path:
    """Write a run directory whose model has its initial weights."""
    folder.mkdir()
    names = [f"class {n}" for n in range(CLASSES)]
    write_model(folder, MODELS[architecture](CLASSES, 3), architecture, names, SIZE, STATS)
    return folder


def seconds(work: Callable[[], Any]) -> dict[str, float]:
    """Return the seconds by the clock and of this process; other processes of the machine change only the first."""
    clock, own = time.perf_counter(), time.process_time()
    work()
    return {"clock": time.perf_counter() - clock, "process": time.process_time() - own}


def measure(run: Path, photos: Path, rounds: int) -> list[dict[str, dict[str, float]]]:
    """Return the times of the parts alone and of the whole, measured in turns."""
    predictor, paths = Predictor(run), list(named_images([str(photos)]))
    batches = [(batch, torch.from_numpy(batch.pixels)) for batch in predictor.batches(paths)]

    def decode() -> None:
        for path in paths:
            read_pixels(path, SIZE)

    def forward() -> None:
        with torch.no_grad():
            for _, pixels in batches:
                predictor.model(pixels.to(predictor.device)).cpu()

    def whole() -> None:
        predict(run, [str(photos)], answered=lambda answer: None, csv=photos.parent / "table.csv")

    return [{work.__name__: seconds(work) for work in (decode, forward, whole)} for _ in range(rounds)]


def peak_bytes(run: Path, photos: Path) -> int:
    """Return the peak memory of a process that predicts all images."""
    command = [sys.executable, "-m", "benchmarks.predict", "--answer", str(run), str(photos)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def answer(run: str, photos: str) -> None:
    """Predict all images in the measured process, and print its peak of resident pages as Linux counts it."""
    predict(Path(run), [photos], answered=lambda answer: None, csv=Path(photos).parent / "table.csv")
    status = Path("/proc/self/status").read_text()
    print(next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--answer", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        return answer(*options.answer)
    with tempfile.TemporaryDirectory() as scratch:
        few, many = (Path(scratch) / name / "photos" for name in ("few", "many"))
        for folder, count in ((few, options.images), (many, options.many)):
            make_photos(folder, count)
        rounds = measure(make_run(Path(scratch) / "run", "resnet18"), few / "train", options.rounds)
        narrow = make_run(Path(scratch) / "narrow", "narrow")
        peaks = {count: peak_bytes(narrow, f / "train") for f, count in ((few, options.images), (many, options.many))}
    ratios = {
        kind: float(np.median([r["whole"][kind] / (r["decode"][kind] + r["forward"][kind]) for r in rounds]))
        for kind in ("clock", "process")
    }
    growth = peaks[options.many] / peaks[options.images]
    print(f"{options.images:,} photographs: {ratios['clock']:.2f} of decoding and passes (at most {LIMIT})")
    print(f"memory at {options.many:,}: {growth:.3f} of that at {options.images:,} (at most {MEMORY_LIMIT})")
    figures = {"images": options.images, "many": options.many, "rounds": rounds, "ratios": ratios, "growth": growth}
    write_report("predict", {**figures, "peak_bytes": {str(count): peak for count, peak in peaks.items()}})


if __name__ == "__main__":
    main()
