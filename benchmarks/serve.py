"""Claim: the page of a run answers 1,000 requests, 20 at once and 100 with bad images, without a server error.

    python -m benchmarks.serve RUN [--requests 1000]

The page is a separate process. Its memory is measured after each tenth of the requests, and must not go on growing.
"""

import argparse
import io
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np
import psutil
import requests
from PIL import Image
from rich.console import Console

from benchmarks.report import write_report

AT_ONCE, BAD = 20, 10  # requests at a time; every tenth sends no image
TENTHS = 10
ROOT = Path(__file__).parents[1]


def upload(number: int) -> bytes:
    """Return a JPEG of noise in the size of a photograph, or for every tenth number a truncated one."""
    side = 200 + 10 * (number % 50)
    pixels = np.random.default_rng(number).integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((side, side)).save(stream, "JPEG")
    return stream.getvalue()[: 300 if number % BAD == 0 else None]


def measure(run: str, count: int) -> dict:
    """Return the number of answers by status code, the seconds, and the memory of the page in bytes."""
    page = subprocess.Popen(
        [sys.executable, "app.py", "serve", run, "--port", "0"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert page.stdout is not None
        address, process = page.stdout.readline().strip(), psutil.Process(page.pid)

        def ask(number: int) -> int:
            return requests.post(f"{address}/predict", files={"image": upload(number)}, timeout=600).status_code

        started, codes = perf_counter(), Counter[int]()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            memory = []  # bytes, after each tenth
            for tenth in range(TENTHS):
                codes.update(pool.map(ask, range(tenth * count // TENTHS, (tenth + 1) * count // TENTHS)))
                memory.append(process.memory_info().rss)
        return {"requests": count, "codes": codes, "seconds": perf_counter() - started, "memory": memory}
    finally:
        page.terminate()
        page.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    figures = measure(options.run, options.requests)
    write_report("serve", figures)
    Console().print(figures)


if __name__ == "__main__":
    main()
