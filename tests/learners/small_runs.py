"""Runs of a small stochastic net in processes that tests can kill: 96 digits, 6 steps per epoch, 3 epochs."""

import csv
import hashlib
import multiprocessing
import os
import random
import signal
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from fastai.callback.core import Callback
from torch import nn

from callbacks.checkpoint.checkpoint_file import read_state
from learners import image_learner, resume_learner
from learners.models import MODELS

SMALL = {"data": "digits", "size": 8, "limit": 96, "batch_size": 16, "epochs": 3, "device": "cpu"}
STEPS, ALL_STEPS = 6, 18

processes = multiprocessing.get_context("forkserver")


class Draws(Callback):
    """A callback that makes the result depend on the random numbers of every library."""

    run_valid = False

    def before_batch(self):
        noise = random.random() + np.random.rand()
        self.learn.xb = (self.xb[0] * (1 + 0.01 * noise),)


class Kill(Callback):
    """A callback that sends SIGKILL after some steps and their checkpoint, or in the next validation."""

    order = 95

    def __init__(self, steps, validating=False):
        self.steps, self.validating = steps, validating

    def after_batch(self):
        if self.train_iter == self.steps and self.training != self.validating:
            self.checkpoint.writer.wait()
            os.kill(os.getpid(), signal.SIGKILL)


def small_net(seed=0):
    """Return a net with batch norm and dropout, so that buffers and torch's generator affect the result."""
    torch.manual_seed(seed)
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(8, 10))


def learner(seed, *instruments, **settings):
    """Return the learner of a new run with weights of `seed`, after setting the global random states."""
    return observed(image_learner(**SMALL | settings, model=small_net(seed), cbs=[Draws()]), seed, *instruments)


def resumed(out, seed, *instruments, **settings):
    """Return the learner of a resumed run, whose net first has other weights."""
    return observed(resume_learner(out, model=small_net(seed), cbs=[Draws()], **settings), seed, *instruments)


def observed(learn, seed, *instruments):
    """Add callbacks that do not count as callbacks of the session, so that a resume does not require them."""
    random.seed(seed)
    np.random.seed(seed)
    learn.add_cbs(instruments)
    learn.made_with = replace(learn.made_with, cbs=(*learn.made_with.cbs, *instruments))
    return learn


def begin(out, *cbs, minutes=0, **settings):
    return learner(1, *cbs, **settings, out=out).fit_recipe(checkpoint_minutes=minutes)


def go_on(out, *cbs, minutes=0, **settings):
    """Resume a run with other random states and weights than it began with."""
    return resumed(out, 2, *cbs, **settings).fit_recipe(checkpoint_minutes=minutes)


def in_process(job, *args, **kwargs) -> int:
    """Run `job(*args, **kwargs)` in a process, and return its exit code, or minus the signal that killed it."""
    process = processes.Process(target=_forking, args=(job, *args), kwargs=kwargs)
    process.start()
    process.join(120)
    return process.exitcode


def _forking(job, *args, **kwargs):
    """Call a job with forked data workers; workers of the fork server would outlive a killed run."""
    multiprocessing.set_start_method("fork", force=True)
    job(*args, **kwargs)


def outcome(run):
    """Return the results of a run without times, in a form that can be compared bit for bit."""
    state = read_state(run / "checkpoint.pt")
    state["callbacks"]["history"].pop("elapsed")
    state["callbacks"].pop("loader_wait", None)
    for row in state["callbacks"]["history"]["rows"]:
        _without_times(row)
    for name in ("workers", "device", "cache"):
        state["recipe"].pop(name)
    history = history_of(run)
    weights, schedule = (run / "model.safetensors").read_bytes(), (run / "schedule.csv").read_text()
    return {"state": _exact(state), "history": history, "schedule": schedule, "weights": weights}


def _without_times(row):
    for name in ("seconds", "train_seconds", "images_per_second"):
        row.pop(name, None)
    return row


def _exact(value):
    """Replace tensors by their type, shape and digest."""
    if isinstance(value, torch.Tensor):
        digest = hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest()
        return str(value.dtype), tuple(value.shape), digest
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    return [_exact(item) for item in value] if isinstance(value, list) else value


class SmallNet(nn.Sequential):
    """The net of `small_net`, as an architecture that can be registered."""

    def __init__(self, n_classes=10, in_channels=3):
        layers = nn.Conv2d(in_channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(*layers, nn.Dropout(0.2), nn.Linear(8, n_classes))


@contextmanager
def small_architecture():
    """Register the architecture `small` in this context."""
    MODELS["small"] = SmallNet
    try:
        yield
    finally:
        del MODELS["small"]


NAMED = {"data": "digits", "size": 8, "limit": 64, "batch_size": 16, "epochs": 3, "device": "cpu", "model": "small"}


class Interrupted(Callback):
    """A callback that raises KeyboardInterrupt in step `at`, once the earlier checkpoints are on the disk."""

    run_valid = False

    def __init__(self, at):
        self.at = at

    def before_batch(self):
        if self.train_iter == self.at:
            if hasattr(self.learn, "checkpoint"):
                self.learn.checkpoint.writer.wait()  # a Ctrl-C that ends a step drops the writes that have not begun
            raise KeyboardInterrupt


def history_of(run):
    """Return the rows of `history.csv` without times."""
    with (run / "history.csv").open() as file:
        return [_without_times(row) for row in csv.DictReader(file)]
