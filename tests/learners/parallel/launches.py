"""Start a script in two processes, as `torchrun` does."""

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

HERE = Path(__file__).parent
JOB = HERE / "small_job.py"
TWO = ("--standalone", "--nproc_per_node", "2")


class Ended(NamedTuple):
    """The result of a launch."""

    code: int
    out: str
    err: str
    seconds: float


def launch(*command, launcher=("-m", "torch.distributed.run", *TWO)):
    """Run a script and its arguments in two processes, and wait until all have ended."""
    started = perf_counter()
    done = subprocess.run([sys.executable, *launcher, *map(str, command)], capture_output=True, text=True, timeout=280)
    return Ended(done.returncode, done.stdout, done.stderr, perf_counter() - started)


def small_job(folder, **asked):
    """Run the small job in two processes; each writes its record into `folder`."""
    asked.setdefault("settings", {"limit": 97, "epochs": 3, "lr": 0.05})
    return launch(JOB, folder / "run", json.dumps(asked))


def seen(folder):
    """Return the records of the two processes."""
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(2)]
