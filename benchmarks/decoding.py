"""Claim: PNG files of CIFAR-10 are decoded at 8,000 per second or more on two cores, and more cores are never slower.

Compared are Pillow in threads (the former way, with one thread per core), OpenCV in threads, and the processes of
`data.decoding.decode`, in turns on the same files. All must return the same bytes. The result is the best round in
images per second.

    python -m benchmarks.decoding [--data FOLDER] [--files 16000] [--rounds 1]

For JPEG files, which the app decodes with Pillow, the difference from OpenCV's decoder is measured on the same images.
"""

import argparse
import io
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.report import write_report
from data.decoding import decode as module
from data.decoding.decode import cores, decode
from data.decoding.reading import fitted, open_rgb, read_pixels
from data.home import home_path
from data.items import ImageFile

SIDE, CHUNK = 32, 64


def pillow(path: Path, size: int) -> np.ndarray:
    return np.asarray(fitted(open_rgb(path), size))


def in_threads(read, count: int):
    """Return a function that decodes with `read` in this many threads, as the app formerly did with Pillow."""

    def run(files: list[Path], out: np.ndarray) -> None:
        def fill(start: int) -> None:
            for i, path in enumerate(files[start : start + CHUNK], start):
                out[i] = read(path, SIDE)

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(fill, range(0, len(files), CHUNK)))

    return run


def in_processes(count: int):
    def run(files: list[Path], out: np.ndarray) -> None:
        module.cores = lambda: count
        decode([ImageFile(str(path.parent), "", path.name, 0, 0) for path in files], out)

    return run


def contenders() -> dict[str, object]:
    counts = sorted({1, 2, 4, 16, cores()})
    return {
        **{f"Pillow, threads: {n}": in_threads(pillow, n) for n in counts},
        **{f"OpenCV, threads: {n}": in_threads(read_pixels, n) for n in counts if n <= cores()},
        **{f"this project, processes: {n}": in_processes(n) for n in counts},
    }


def measure(files: list[Path], rounds: int) -> dict[str, float]:
    """Return the images per second of each decoder; raise an error if their bytes differ."""
    rates, expected = {}, np.stack([pillow(path, SIDE) for path in files])
    with tempfile.TemporaryDirectory() as scratch:
        out = np.lib.format.open_memmap(Path(scratch) / "out.npy", "w+", np.uint8, expected.shape)
        for _ in range(rounds):
            for name, run in contenders().items():
                out[:] = 0
                started = perf_counter()
                run(files, out)
                rates[name] = max(rates.get(name, 0.0), len(files) / (perf_counter() - started))
                assert np.array_equal(out, expected), name
    return rates


def jpeg_difference(files: list[Path]) -> dict[str, float]:
    """Return the difference of OpenCV's pixels from Pillow's for the same JPEG, in levels of 255."""
    differences = []
    for path in files:
        memory = io.BytesIO()
        open_rgb(path).save(memory, "JPEG", quality=90)
        theirs = cv2.imdecode(np.frombuffer(memory.getvalue(), np.uint8), cv2.IMREAD_COLOR_RGB)
        differences.append(np.abs(np.asarray(Image.open(memory)).astype(int) - theirs))
    difference = np.stack(differences)
    return {
        "differing": float((difference > 0).mean()),
        "mean": float(difference.mean()),
        "most": int(difference.max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=home_path("data") / "cifar10")
    parser.add_argument("--files", type=int, default=16_000)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    files = sorted(options.data.rglob("*.png"))[: options.files]
    rates, jpeg = measure(files, options.rounds), jpeg_difference(files[:500])
    table = Table("decoder", "images/s")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}")
    Console().print(table, f"JPEG: OpenCV differs from Pillow in {jpeg['differing']:.1%} of the values, {jpeg}")
    former = rates[f"Pillow, threads: {cores()}"]
    ours = rates[f"this project, processes: {cores()}"]
    result = {"files": len(files), "images_per_second": rates, "former": former, "ours": ours, "jpeg": jpeg}
    write_report("decoding", result)


if __name__ == "__main__":
    main()
