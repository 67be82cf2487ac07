"""Claim: JPEG photographs of 12 megapixels are read as small squares at least three times as fast as with Pillow.

Pillow decodes and resizes them fully. The mean difference of the pixels is below 1.5 of 255, and a model assigns the
same classes to both.

    python -m benchmarks.photographs [--photos 6] [--rounds 3] [--sizes 32 64 128 224]

Both read the same files in turns, in one thread; the processor time of each is the best of the rounds. The photographs
are synthetic: coloured noise of all scales, edges, and the noise of a sensor, 4000×3000, quality 90. A model that was
trained on four kinds of smaller ones, 640×480, classifies others that were read in both ways.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from time import process_time

import numpy as np
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from benchmarks.report import write_report

WIDTH, HEIGHT, QUALITY = 4000, 3000, 90
PER_CLASS, SIDE = 60, 32  # photographs that a net learns from, half of them to be asked about; pixels
Read = Callable[[Path, int], np.ndarray]


def photograph(width: int, height: int, seed: int, grain: float = 0.7) -> Image.Image:
    """Return an image of noise, edges and sensor noise; `grain` is the power by which finer noise is weaker."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for side in (2, 4, 8, 16, 32, 64, 128, 256):
        noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / side**grain
    total = 255 * (total - total.min()) / np.ptp(total)
    for _ in range(12):
        x, y = rng.integers(width), rng.integers(height)
        total[y : y + height // 6, x : x + width // 6] = rng.integers(0, 256, 3)
    total += rng.normal(0, 8, total.shape).astype(np.float32)
    return Image.fromarray(np.clip(total, 0, 255).astype(np.uint8))


def full(path: Path, size: int) -> np.ndarray:
    """Read a photograph with Pillow alone, which decodes every pixel."""
    with Image.open(path) as image:
        whole = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(ImageOps.fit(whole, (size, size), Image.Resampling.BILINEAR))


def ours(path: Path, size: int) -> np.ndarray:
    from data.decoding.reading import read_pixels

    return read_pixels(path, size)


def compared(files: list[Path], size: int, rounds: int) -> dict[str, float]:
    """Return the milliseconds per photograph of both ways, their ratio, and the difference of their pixels (of 255)."""
    best = {read.__name__: float("inf") for read in (full, ours)}
    for _ in range(rounds):
        for read in (full, ours):
            started = process_time()
            squares = [read(path, size) for path in files]
            best[read.__name__] = min(best[read.__name__], 1000 * (process_time() - started) / len(squares))
    apart = [np.abs(full(path, size).astype(int) - ours(path, size)) for path in files]
    return {
        "full_ms": best["full"],
        "ours_ms": best["ours"],
        "ratio": best["full"] / best["ours"],
        "mean_difference": mean(float(a.mean()) for a in apart),
        "most_difference": max(int(a.max()) for a in apart),
    }


def answers(scratch: Path) -> dict[str, float]:
    """Return the accuracy of a model on photographs read in both ways, and the share of equal predictions."""
    import torch

    from learners import ResNet18, image_learner

    files = [scratch / f"{i}.jpg" for i in range(4 * PER_CLASS)]
    for i, path in enumerate(files):
        photograph(640, 480, i, grain=(0.1, 0.4, 0.7, 1.0)[i % 4]).save(path, quality=QUALITY)
    labelled = [(ours(path, SIDE), i % 4) for i, path in enumerate(files)]
    half = len(files) // 2
    torch.manual_seed(0)
    data = labelled[:half], labelled[half:]
    learn = image_learner(data, model=ResNet18(4, width=8), size=SIDE, epochs=12, batch_size=16, device="cpu")
    learn.fit_recipe()
    targets = torch.arange(half) % 4
    found = {}
    for read in (full, ours):
        squares = [read(path, SIDE) for path in files[half:]]
        found[read.__name__] = learn.get_preds(dl=learn.dls.test_dl(squares))[0].argmax(1)
    accuracies = {name: float((classes == targets).float().mean()) for name, classes in found.items()}
    return accuracies | {"equal": float((found["full"] == found["ours"]).float().mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128, 224])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("FASTAI_HOME", f"{scratch}/home")
        files = [Path(scratch) / f"large{i}.jpg" for i in range(options.photos)]
        for i, path in enumerate(files):
            photograph(WIDTH, HEIGHT, i).save(path, quality=QUALITY)
        megabytes = mean(path.stat().st_size for path in files) / 1e6
        rows = {str(size): compared(files, size, options.rounds) for size in options.sizes}
        accuracy = answers(Path(scratch))
    table = Table("size", "full decode and resize", "this project", "ratio", "mean difference")
    for size, row in rows.items():
        times = f"{row['full_ms']:.0f} ms", f"{row['ours_ms']:.0f} ms"
        table.add_row(size, *times, f"{row['ratio']:.1f}", f"{row['mean_difference']:.2f} of 255")
    Console().print(table, f"accuracy, {accuracy}")
    what = {"width": WIDTH, "height": HEIGHT, "quality": QUALITY, "megabytes": megabytes}
    write_report("photographs", {"photos": options.photos, **what, "sizes": rows, "accuracy": accuracy})


if __name__ == "__main__":
    main()
