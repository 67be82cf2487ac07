"""Claim: `python app.py evaluate RUN` has its first batch after 6 s on two cores, and `--help` prints after 0.3 s.

    python -m benchmarks.start RUN [--rounds 3]

RUN is a finished run whose decoded images are cached. The result is the seconds from the start of the process, in the
fastest of the rounds.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from time import perf_counter

from benchmarks.report import write_report

ROOT = Path(__file__).parent.parent
EVALUATE = """
import os, sys
import app
from learners.models.resnet18 import ResNet18
ResNet18.forward = lambda model, x: os._exit(0)
sys.argv = ["app.py", "evaluate", sys.argv[1]]
app.main()
"""


def seconds(*arguments: str) -> float:
    """Return the seconds of a Python process with these arguments."""
    started = perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    took = perf_counter() - started
    if done.returncode:
        raise RuntimeError(done.stderr)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    run = str(options.run.absolute())
    commands = {"evaluate, first batch": ("-c", EVALUATE, run), "--help": ("app.py", "--help")}
    rounds = {name: [seconds(*command) for _ in range(options.rounds)] for name, command in commands.items()}
    fastest = {name: min(each) for name, each in rounds.items()}
    for name, least in fastest.items():
        print(f"{name}: {least:.2f} s")
    write_report("start", {"seconds": rounds, "fastest": fastest})


if __name__ == "__main__":
    main()
