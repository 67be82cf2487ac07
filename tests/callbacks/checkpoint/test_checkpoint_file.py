"""A checkpoint file that differs from the written one in any bit is refused, and reading a file runs no code."""

import multiprocessing
import os
import pickle
import random
import resource
import time
from contextlib import contextmanager

import pytest
import torch

from callbacks.checkpoint import checkpoint_file
from callbacks.checkpoint.checkpoint_file import CheckpointError, read_state, remove_drafts, write_state


def state(number=0):
    return {"number": number, "weights": torch.full((64, 1024), float(number)), "random": (3, (1, 2), None)}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_state(path, state(7))
    return path


def test_what_is_read_is_what_was_written(path):
    assert str(read_state(path)) == str(state(7))
    assert torch.equal(read_state(path)["weights"], state(7)["weights"])


def test_torch_alone_reads_it_too(path):
    assert torch.load(path, weights_only=True)["number"] == 7


def test_a_flipped_bit_anywhere_is_refused(path):
    data = path.read_bytes()
    rng = random.Random(0)
    places = [0, len(data) - 1, len(data) - 65, len(data) - 70, *rng.sample(range(len(data)), 60)]
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt: truncated, damaged"):
            read_state(path)


@pytest.mark.parametrize("keep", [0, 1, 65, 1000, -1, -66])
def test_a_truncated_file_is_refused(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="truncated"):
        read_state(path)


class Malice:
    """An object that creates a file when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def bare_pickle(path, malice):
    path.write_bytes(pickle.dumps({"model": malice}))


def torch_file(path, malice):
    torch.save({"model": malice}, path)


def sealed_torch_file(path, malice):
    write_state(path, {"model": malice})


@pytest.mark.parametrize("plant", [bare_pickle, torch_file, sealed_torch_file])
def test_a_planted_pickle_is_refused_and_runs_nothing(tmp_path, plant):
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    plant(path, Malice(trace))
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        read_state(path)
    assert not trace.exists()
    torch.load(path, weights_only=False) if plant is not bare_pickle else pickle.loads(path.read_bytes())
    assert trace.exists()  # without the protection the object does create the file


@contextmanager
def small_files():
    """Limit all files of this process to 100 kB inside this context, so that a write fails as on a full disk.

    The limit must end before the test does, because pytest then writes to its own output, which may be a long file.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_state(path, {"number": 7})
    with small_files(), pytest.raises(OSError, match="File too large"):
        write_state(path, state(8))
    assert read_state(path) == {"number": 7}
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def write_for_ever(path):
    torch.set_num_threads(1)
    number = 0
    while True:
        number += 1
        checkpoint_file.write_state(path, state(number))


def test_50_kills_while_writing_leave_50_good_checkpoints(tmp_path):
    path, rng = tmp_path / "checkpoint.pt", random.Random(0)
    processes = multiprocessing.get_context("forkserver")
    drafts = 0
    for _ in range(50):
        path.unlink(missing_ok=True)
        writer = processes.Process(target=write_for_ever, args=(path,))
        writer.start()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        writer.kill()
        writer.join()
        found = read_state(path)
        assert (found["weights"] == found["number"]).all()
        drafts += len(list(tmp_path.glob(".*draft*")))
        remove_drafts(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert drafts > 0  # some of the kills happened during a write
