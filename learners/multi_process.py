"""One run trained by several processes: the first does what a single one would, the others take the same steps."""

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
from data.common.launch import process_count
from learners.plan_fit import fit_plan

if TYPE_CHECKING:
    from learners.learner import ImageLearner
    from learners.run import Run

log = logging.getLogger(__name__)

LAUNCH = "torchrun --standalone --nproc_per_node {count} app.py fit"


def join_processes(device: torch.device, out: str | Path | None) -> Processes | None:
    """The processes that were launched together; None where this one was launched alone.

    Args:
        device: what they train on.
        out: the run directory. All processes see the file system that it is on.

    Raises:
        ProcessesError: there is no run directory, or the processes cannot be joined.
    """
    if process_count() == 1:
        log_unused_gpus(device, torch.cuda.device_count())
        return None
    if out is None:
        raise ProcessesError("several processes train one run: name its directory as `out`")
    return Processes(device)


def log_unused_gpus(device: torch.device, count: int) -> None:
    """Say in the log how a run would use all of `count` GPUs, where it uses one of several."""
    if device.type == "cuda" and count > 1:
        log.warning("this run uses one of %d GPUs; to use all: %s", count, LAUNCH.format(count=count))


def share_between_processes(learn: "ImageLearner", processes: Processes | None) -> "ImageLearner":
    """The learner as one of several that train the same run.

    Raises:
        ProcessesError: a batch cannot be shared evenly.
    """
    if processes is not None:
        bs, count = learn.plan.batch_size, processes.share.count
        if bs % count:
            raise ProcessesError(
                f"{count} processes cannot share a batch of {bs} images evenly; set `batch_size` to a multiple of "
                f"{count}, as {max(1, bs // count) * count}"
            )
        learn.processes = processes
    return learn


def check_process_count(path: Path, facts: dict[str, Any]) -> None:
    """Refuse to resume a run with another number of processes.

    Args:
        path: the run directory.
        facts: what its `recipe.json` holds.

    Raises:
        ProcessesError: the number differs.
    """
    then, now = facts.get("processes", 1), process_count()
    if then != now:
        launch = LAUNCH.format(count=then) if then > 1 else "python app.py fit"
        raise ProcessesError(
            f"{path} was trained by {then} processes and would be resumed by {now}. The result would be another: norm "
            "layers normalise with the part of a batch that a process has. To resume it on one machine: "
            f"{launch} --resume {path}"
        )


def state_from_first(learn: "ImageLearner", state: dict[str, Any] | None) -> dict[str, Any] | None:
    """The state to resume from. Where there are several processes, it and the peak rate are those of the first."""
    if learn.processes:
        lr, state = learn.processes.from_first((learn.plan.lr, state))
        learn.plan = replace(learn.plan, lr=lr)
    return state


def run_interrupts(learn: "ImageLearner", checkpoint: Path) -> Interrupts:
    """The signals that end the run, after the same step in all processes."""
    return AgreedInterrupts(checkpoint, learn.processes) if learn.processes else Interrupts(checkpoint)


def fit_without_files(learn: "ImageLearner", run: "Run") -> dict[str, Any]:
    """Take the steps of a run whose files another process writes, and return the metrics that it has."""
    assert learn.processes is not None
    state = state_from_first(learn, None)
    learn.plan = replace(learn.plan, log=None)
    with learn.no_bar(), run_interrupts(learn, run.checkpoint) as interrupts:
        fit_plan(learn, [Resume(state, run.checkpoint), EndOnSignal(interrupts)])
    return learn.processes.from_first(None)


def naming_the_others(learn: "ImageLearner", run: "Run") -> AbstractContextManager:
    """The context in which it is said in one sentence that another process of the run ended."""
    if learn.processes is None:
        return nullcontext()
    return learn.processes.naming_the_others(f"resume_learner('{run.path}')")
