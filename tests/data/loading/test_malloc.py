"""The memory of freed batches is returned to the system, even if small objects are allocated in between."""

import platform
import subprocess
import sys

import pytest

from tests.conftest import ROOT

ORDER = (False, True)

PROGRAM = """
import sys
from pathlib import Path
from data.loading.malloc import return_large_blocks

def anonymous():
    line = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("RssAnon"))
    return int(line.split()[1]) * 1024

if sys.argv[1] == "True":
    return_large_blocks()
kept, before = [], anonymous()
for _ in range(20):
    batch = bytearray(b"x") * 20_000_000
    del batch
    kept.append(b"x" * 100_000)
print(anonymous() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the fault is glibc's")
def test_freed_batches_go_back_to_the_system():
    command = [sys.executable, "-c", PROGRAM]
    grown = [int(subprocess.run([*command, str(on)], cwd=ROOT, capture_output=True, check=True).stdout) for on in ORDER]
    assert grown[1] < 10_000_000 < grown[0], grown
