"""Fixtures of all tests: the bundled digits, a separate fastai home, and no network."""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
_home = tempfile.TemporaryDirectory(prefix="fastai-home-")
os.environ["FASTAI_HOME"] = _home.name  # before fastai is imported: it reads this once
if "PYTEST_XDIST_WORKER" in os.environ:  # one thread a process, or the processes fight for the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# processes that tests kill are forked from one that has imported everything
multiprocessing.get_context("forkserver").set_forkserver_preload(["learners.resume"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep tests in one process that share something, where `-n` divides all tests among several processes.

    The tests of a file share its trained run, and those of tests/idioms write one table.
    """
    from xdist.scheduler import LoadFileScheduling

    class SharedTogether(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return "tests/idioms" if nodeid.startswith("tests/idioms/") else super()._split_scope(nodeid)

    return SharedTogether(config, log)


class Finished(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def app(capfd, monkeypatch):
    """Run a command line in this process, and return its exit code and output."""

    def run(*args) -> Finished:
        from app import main

        monkeypatch.setattr(sys, "argv", ["app.py", *map(str, args)])
        capfd.readouterr()
        return Finished(main(), *capfd.readouterr())

    return run


@pytest.fixture
def app_process():
    """Run a command line as a process of its own."""

    def run(*args, **kwargs) -> Finished:
        done = subprocess.run(
            [sys.executable, ROOT / "app.py", *map(str, args)], capture_output=True, text=True, **kwargs
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def tiny():
    """Settings of a run that takes a second: 64 digits of 8 pixels."""
    return {"data": "digits", "size": 8, "limit": 64, "batch_size": 16, "epochs": 2}


@pytest.fixture
def tiny_flags(tiny):
    return [part for name, value in tiny.items() for part in (f"--{name.replace('_', '-')}", str(value))]
