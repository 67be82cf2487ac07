"""Train one run with several processes: all take the same steps, and only the first one writes files."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from callbacks.checkpoint.callback import Resume
from callbacks.checkpoint.interrupt import Interrupts
from callbacks.parallel.processes import Processes, ProcessesError
from callbacks.parallel.signals import AgreedInterrupts, EndOnSignal
from data.common.launch import launch_command, process_count
from learners.training.plan_fit import fit_plan

if TYPE_CHECKING:
    from learners.learner import ImageLearner
    from learners.run_directory.run import Run

log = logging.getLogger(__name__)


def join_processes(device: torch.device, out: str | Path | None) -> Processes | None:
    """Connect the processes that were launched together; return None if this one was launched alone.

    Args:
        device: the device to train on.
        out: the run directory, on a file system that all processes can read.

    Raises:
        ProcessesError: there is no run directory, or the processes cannot connect.
    """
    if process_count() == 1:
        log_unused_gpus(device, torch.cuda.device_count())
        return None
    if out is None:
        raise ProcessesError("several processes train one run: name its directory as `out`")
    return Processes(device)


def log_unused_gpus(device: torch.device, count: int) -> None:
    """Log how to use all of `count` GPUs, if there are several and the run uses one."""
    if device.type == "cuda" and count > 1:
        log.warning("this run uses one of %d GPUs; to use all: %s app.py fit", count, launch_command(count))


def share_between_processes(learn: "ImageLearner", processes: Processes | None) -> "ImageLearner":
    """Set the processes of a learner, and return it.

    Raises:
        ProcessesError: the batch size is not a multiple of the number of processes.
    """
    if processes is not None:
        bs, count = learn.plan.batch_size, processes.share.count
        if bs % count:
            raise ProcessesError(
                f"{count} processes cannot share a batch of {bs} images evenly; set `batch_size` to a multiple of "
                f"{count}, such as {max(1, bs // count) * count}"
            )
        learn.processes = processes
    return learn


def check_process_count(path: Path, facts: dict[str, Any]) -> None:
    """Check that a run is resumed with the number of processes that it began with.

    Args:
        path: the run directory.
        facts: the content of its `recipe.json`.

    Raises:
        ProcessesError: the number differs.
    """
    then, now = facts.get("processes", 1), process_count()
    if then != now:
        raise ProcessesError(
            f"{path} was trained by {then} processes and cannot be resumed by {now}: norm layers normalise with the "
            "part of a batch that one process has, so that the result would differ. To resume it on one machine: "
            f"{launch_command(then)} app.py fit --resume {path}"
        )


def state_from_first(learn: "ImageLearner", state: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the state to resume from; with several processes, the state and the peak learning rate of the first."""
    if learn.processes:
        lr, state = learn.processes.from_first((learn.plan.lr, state))
        learn.plan = replace(learn.plan, lr=lr)
    return state


def run_interrupts(learn: "ImageLearner", checkpoint: Path) -> Interrupts:
    """Return the context that defers Ctrl-C and SIGTERM, to the same step in all processes."""
    return AgreedInterrupts(checkpoint, learn.processes) if learn.processes else Interrupts(checkpoint)


def fit_without_files(learn: "ImageLearner", run: "Run") -> dict[str, Any]:
    """Train in a process that writes no files, and return the metrics of the first process."""
    assert learn.processes is not None
    state = state_from_first(learn, None)
    learn.plan = replace(learn.plan, log=None)
    with learn.no_bar(), run_interrupts(learn, run.checkpoint) as interrupts:
        fit_plan(learn, [Resume(state, run.checkpoint), EndOnSignal(interrupts)])
    return learn.processes.from_first(None)


def naming_ended_process(learn: "ImageLearner", run: "Run") -> AbstractContextManager:
    """Return the context in which the end of another process of the run becomes a one-line error."""
    if learn.processes is None:
        return nullcontext()
    return learn.processes.naming_the_others(f"resume_learner('{run.path}')")
