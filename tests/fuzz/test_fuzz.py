"""Reading a file of any content succeeds or ends with one clear error that names it.

Each target is tested with a few dozen generated files, always the same, and with the files in `corpus/`, which once
failed. With the environment variable FUZZ_SECONDS=600, other files are generated for 600 seconds, and those that fail
are added to `corpus/`.
"""

import hashlib
import os
import random
import time
import traceback
import warnings
from collections import Counter
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from data.common.errors import AppError
from learners.models import MODELS
from tests.fuzz.targets import OneLayer, Target, make_targets

CORPUS = Path(__file__).with_name("corpus")
NAMES = ["picture", "table", "recipe", "model", "weights", "checkpoint", "sealed archive", "sealed state"]
FILES_PER_ROUND = 25  # files that are read between two checks of the time
SECONDS = int(os.environ.get("FUZZ_SECONDS", "0"))
COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    MODELS["one-layer"] = OneLayer
    yield make_targets(tmp_path_factory.mktemp("fuzz"))
    del MODELS["one-layer"]


def check(target: Target, content: bytes) -> None:
    """Write the content to the path of the target and read it; assert that it succeeds or raises a clear `AppError`."""
    before = target.path.read_bytes() if target.path.exists() else b""
    target.path.write_bytes(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            target.read(target.path)
    except AppError as error:
        message = str(error)
        assert len(message.splitlines()) <= 2, message
        assert any(name in message for name in (str(target.path.parent), *target.settings)), message
    finally:
        target.path.write_bytes(before)


def fuzz(target: Target, count: int, number: int | None = None) -> list[bytes]:
    """Read `count` generated files of a target; they are the same for the same seed, and without a seed.

    Returns:
        The contents of the files, the last one first.
    """
    seen: list[bytes] = []

    @settings(COMMON, max_examples=count, derandomize=number is None, phases=[Phase.generate])
    @given(target.files)
    def read(content: bytes) -> None:
        seen.insert(0, content)
        try:
            check(target, content)
        except Exception as error:
            error.add_note(f"the file: {keep(target, content)}, the seed: {number}")
            raise

    (read if number is None else seed(number)(read))()
    return seen


def keep(target: Target, content: bytes) -> Path:
    """Store a file that failed in the corpus, so that it is tested from now on."""
    path = CORPUS / target.name / hashlib.sha256(content).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_few_dozen_files(targets, name):
    assert len(fuzz(targets[name], 40)) >= 40


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}: {path.name}")
def test_files_that_once_failed(targets, path):
    check(targets[path.parent.name], path.read_bytes())


def test_all_targets_are_fuzzed(targets):
    assert list(targets) == NAMES


@pytest.mark.skipif(not SECONDS, reason="FUZZ_SECONDS is not set")
@pytest.mark.timeout(SECONDS + 600)
def test_for_so_many_seconds(targets, capsys):
    counts, failures, numbers = Counter(), [], random.Random()
    end, turns = time.monotonic() + SECONDS, cycle(targets.items())
    while time.monotonic() < end:
        name, target = next(turns)
        try:
            counts[name] += len(fuzz(target, FILES_PER_ROUND, numbers.randrange(2**32)))
        except Exception as error:  # noqa: BLE001  any exception is a failure to report
            failures.append("".join(traceback.format_exception(error)))
    with capsys.disabled():
        print("", f"files that were read: {dict(counts)}", *failures, sep="\n")
    assert not failures
