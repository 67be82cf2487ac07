"""Faults that a run survives, and the messages about those that it does not survive."""

import logging
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from fastai.callback.core import Callback

from callbacks.checkpoint.checkpoint_file import CheckpointError, read_state
from callbacks.checkpoint.state import is_finite
from data.common.errors import TrainingError
from learners import image_learner
from learners.run_directory.run import Run, RunDirectoryError
from tests.conftest import ROOT
from tests.learners.small_runs import (
    ALL_STEPS,
    SMALL,
    STEPS,
    begin,
    go_on,
    in_process,
    learner,
    observed,
    outcome,
    processes,
)


class At(Callback):
    """Calls `act(learn)` once, at an event of a step."""

    run_valid = False

    def __init__(self, steps, event, act):
        self.steps, self.act = steps, act
        setattr(self, event, self._once)

    def _once(self):
        if self.train_iter == self.steps:
            self.act(self.learn)


def poison(learn):
    with torch.no_grad():
        learn.model[0].weight.fill_(torch.nan)


@pytest.mark.parametrize(
    ("event", "steps", "message"),
    [
        ("before_batch", 9, "the training loss is nan in epoch 1 at step 9, learning rate 0.0"),
        ("after_step", STEPS - 1, "the weights are not finite after epoch 0, step 5, learning rate 0.0"),
    ],
)
def test_what_is_no_number_ends_the_run_and_stays_out_of_its_files(tmp_path, event, steps, message):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match=message):
        begin(out, At(steps, event, poison))
    state = read_state(out / "checkpoint.pt")
    assert is_finite(state)
    assert STEPS * state["epoch"] + state["step"] == steps
    for path in out.glob("*.[cj]s*"):
        assert "nan" not in path.read_text().lower()


def leave_a_loss_unseen(learn):
    """Check the loss only every 50 steps, as on a GPU."""
    learn.finite_loss.pending.append((torch.tensor(torch.nan), 0, 4, 0.1))


def test_losses_are_looked_at_before_a_checkpoint(tmp_path):
    with pytest.raises(TrainingError, match="the training loss is nan in epoch 0 at step 4"):
        begin(tmp_path / "run", At(4, "after_step", leave_a_loss_unseen))
    assert read_state(tmp_path / "run/checkpoint.pt")["step"] == 4


class FullDisk(Callback):
    """Limits the size of files of this process to 1 kB between two steps."""

    run_valid = False

    def __init__(self, first, last):
        self.first, self.last = first, last

    def before_batch(self):
        if self.train_iter in (self.first, self.last):
            self.checkpoint.writer.wait()
            limit_files(1000 if self.train_iter == self.first else resource.RLIM_INFINITY)


def limit_files(size):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


@contextmanager
def free_disk_afterwards():
    """Remove the limit before the test ends, because pytest may write its results to a longer file."""
    try:
        yield
    finally:
        limit_files(resource.RLIM_INFINITY)


class LookAtCheckpoint(Callback):
    order = 96

    def before_validate(self):
        if not hasattr(self.learn, "checkpoint"):
            return  # what the run reports is measured once more, after the fit
        self.checkpoint.writer.wait()
        self.found = [*getattr(self, "found", []), read_state(self.checkpoint.path)["epoch"]]


def test_a_disk_that_is_full_for_a_while_is_told_once_and_costs_nothing(tmp_path, caplog):
    out, look = tmp_path / "run", LookAtCheckpoint()
    with free_disk_afterwards():
        begin(out, FullDisk(7, 13), look, minutes=0)
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert f"{out / 'checkpoint.pt'} cannot be written (File too large)" in warnings[0].getMessage()
    assert look.found == [0, 1, 2]  # of epoch 1 the step before the disk was full
    begin(tmp_path / "straight")
    assert outcome(out) == outcome(tmp_path / "straight")


def test_results_that_cannot_be_written_end_with_1_and_can_be_had_later(tmp_path):
    out = tmp_path / "run"
    message = f"the results cannot be written to {out} .*resume_learner"
    with free_disk_afterwards(), pytest.raises(TrainingError, match=message) as raised:
        begin(out, FullDisk(13, None))
    assert raised.value.exit_code == 1
    assert not (out / "metrics.json").exists()
    assert go_on(out)["epochs"] == 3
    begin(tmp_path / "straight")
    assert outcome(out) == outcome(tmp_path / "straight")


def lose_the_right_to_write(learn):
    learn.checkpoint.writer.wait()
    learn.run_dir.path.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)  # permissions mean nothing to root


def begin_in_a_directory_that_turns_read_only(parent):
    os.chdir(parent)
    logging.basicConfig(filename="log.txt")
    try:
        begin(Path("run"), At(STEPS + 1, "before_batch", lose_the_right_to_write))
    except TrainingError as error:
        sys.exit(10 + error.exit_code)


def test_a_directory_that_turns_read_only(tmp_path):
    tmp_path.chmod(0o755)
    assert in_process(begin_in_a_directory_that_turns_read_only, tmp_path) == 11
    assert (tmp_path / "log.txt").read_text().count("cannot be written (Permission denied)") == 1
    (tmp_path / "run").chmod(0o755)
    state = read_state(tmp_path / "run/checkpoint.pt")
    assert (state["epoch"], state["step"]) == (1, 1)


@pytest.mark.parametrize("damage", [lambda data: data[:-1000], lambda data: bytes([data[0] ^ 4]) + data[1:]])
def test_a_damaged_checkpoint_ends_with_2_and_stays_as_it_is(app, tmp_path, damage):
    out, path = tmp_path / "run", tmp_path / "run/checkpoint.pt"
    with pytest.raises(TrainingError):
        observed(image_learner(**SMALL, out=out), 1, At(4, "before_batch", run_out_of_memory)).fit_recipe(0)
    path.write_bytes(damage(path.read_bytes()))
    damaged = path.read_bytes()
    done = app("fit", "--resume", out)
    assert (done.code, f"{path}: truncated, damaged" in done.err) == (2, True), done.err
    assert path.read_bytes() == damaged


def test_a_checkpoint_of_another_format_is_refused(tmp_path, monkeypatch):
    with pytest.raises(TrainingError):
        begin(tmp_path / "run", At(4, "before_batch", poison))
    monkeypatch.setattr("learners.run_directory.run.FORMAT_VERSION", 0)
    with pytest.raises(CheckpointError, match="another version"):
        go_on(tmp_path / "run")


def hold_until_killed(out, held, never):
    with Run(out, new=True).claimed():
        held.set()
        never.wait()


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    out, held, never = tmp_path / "run", processes.Event(), processes.Event()
    first = processes.Process(target=hold_until_killed, args=(out, held, never), daemon=True)
    first.start()
    assert held.wait(60)
    with pytest.raises(RunDirectoryError, match="in use by another process"), Run(out, new=True).claimed():
        pass
    first.kill()
    first.join()
    with Run(out, new=True).claimed():
        assert [p.name for p in out.iterdir()] == [".lock"]


def run_out_of_memory(learn):
    torch.empty(2**60, dtype=torch.uint8)


def test_out_of_memory_names_a_batch_size_to_try(tmp_path):
    with pytest.raises(TrainingError, match=r"out of memory with batches of 16; try `batch_size` 8") as raised:
        begin(tmp_path / "run", At(3, "before_batch", run_out_of_memory))
    assert raised.value.exit_code == 1


def cuda_out_of_memory(learn):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def test_out_of_memory_on_a_gpu_too(tmp_path):
    learn = learner(1, At(3, "before_batch", cuda_out_of_memory))
    with pytest.raises(TrainingError, match="`batch_size` 8"):
        learn.fit_recipe()


def start(*flags):
    command = [sys.executable, ROOT / "app.py", "fit", *map(str, flags)]
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, **pipes)


def end_after_first_epoch(process, number):
    """Send the signal after the first line about an epoch; return the exit code and stderr."""
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("epoch"):
            process.send_signal(number)
            break
    said += process.communicate(timeout=120)[1]
    return process.returncode, "".join(said)


def test_sigterm_ctrl_c_and_sigkill_on_the_command_line(tmp_path):
    """The command line with ResNet18, as a user runs it."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items() if name != "epochs"]
    out, straight = tmp_path / "run", tmp_path / "straight"
    uninterrupted = start(*flags, "--epochs", 4, "--out", straight)
    for number, code in ((15, 143), (2, 130), (9, -9)):
        goal = ["--resume", out] if out.exists() else [*flags, "--epochs", 4, "--out", out]
        ended, said = end_after_first_epoch(start(*goal), number)
        assert ended == code, said
        assert "Traceback" not in said
        assert (f"--resume {out}" in said) == (number != 9)
    last = start("--resume", out)
    errors = last.communicate(timeout=120)[1]
    assert last.returncode == 0, errors
    assert uninterrupted.wait(120) == 0
    assert outcome(out) == outcome(straight)
    assert len((out / "schedule.csv").read_text().splitlines()) == ALL_STEPS + STEPS + 1
