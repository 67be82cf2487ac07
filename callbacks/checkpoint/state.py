"""All state of a run between two steps, as tensors on the CPU and plain values."""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from fastcore.foundation import L

from callbacks.checkpoint.archive import CheckpointError

if TYPE_CHECKING:  # `evaluate` reads run directories without fastai
    from fastai.callback.core import Callback
    from fastai.learner import Learner

SCALARS = (float, int, str, bool, type(None))
FORMAT = 4  # of the checkpoint; a file of another format is refused


def before_checkpoint(learn: "Learner") -> None:
    """Call the method `before_checkpoint` of each callback that has one: the place to refuse a state or to settle it.

    Raises:
        TrainingError: a callback found that the run has failed.
    """
    for cb in learn.cbs.sorted("order"):
        if hasattr(type(cb), "before_checkpoint"):
            cb.before_checkpoint()


def resumes(cb: "Callback") -> bool:
    """Whether a callback has a state that a checkpoint keeps: its class has `state_dict` and `load_state_dict`."""
    return hasattr(type(cb), "state_dict")


def capture(learn: "Learner", recipe: dict[str, Any]) -> dict[str, Any]:
    """Copies of everything that the next step depends on, and the settings of the run.

    `epoch` and `step` are where training continues: the step may be one past the last of its epoch.
    """
    state = {
        "format": FORMAT,
        "recipe": recipe,
        "epoch": learn.epoch,
        "step": learn.iter + 1,
        "model": learn.model.state_dict(),
        "opt": learn.opt.state_dict(),
        "callbacks": {cb.name: cb.state_dict() for cb in learn.cbs if resumes(cb)},
        "random": _random_states(learn),
    }
    return _plain(state)


def restore(learn: "Learner", state: dict[str, Any]) -> None:
    """Put `learn` back to where `capture` was called; the random states come last, for nothing may draw after them.

    Raises:
        CheckpointError: the checkpoint holds the state of a callback that the learner does not have.
    """
    present = {cb.name: cb for cb in learn.cbs}
    if missing := sorted(state["callbacks"].keys() - present.keys()):
        raise CheckpointError(
            f"the run was trained with the callback {', '.join(missing)}, which this learner lacks; "
            "pass it in `cbs` when you resume the run"
        )
    learn.model.load_state_dict(state["model"])
    learn.opt.load_state_dict(state["opt"])
    for name, of_callback in state["callbacks"].items():
        present[name].load_state_dict(of_callback)
    learn.train_iter = state["epoch"] * len(learn.dls.train) + state["step"]
    _set_random_states(learn, state["random"])


def is_finite(state: dict[str, Any]) -> bool:
    """Whether weights and optimizer hold numbers only."""
    return all(t.isfinite().all() for t in _tensors([state["model"], state["opt"]]))


def _random_states(learn: "Learner") -> dict[str, Any]:
    kind = learn.dls.device.type
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
        "loaders": [dl.rng.getstate() for dl in learn.dls.loaders],
        "device": {} if kind == "cpu" else {kind: torch.get_device_module(kind).get_rng_state()},
    }


def _set_random_states(learn: "Learner", states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    mt = states["numpy"]["state"]
    np.random.set_state(states["numpy"] | {"state": mt | {"key": mt["key"].numpy()}})
    torch.set_rng_state(states["torch"])
    for dl, state in zip(learn.dls.loaders, states["loaders"], strict=True):
        dl.rng.setstate(state)
    for kind, state in states["device"].items():
        if kind == learn.dls.device.type:  # a run may go on elsewhere
            torch.get_device_module(kind).set_rng_state(state)


def _plain(value: Any) -> Any:
    """Copies that do not change with the next step, of types that `weights_only` loading knows."""
    if type(value) in SCALARS:  # by far the most
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().as_subclass(torch.Tensor).to("cpu", copy=True)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return list(map(_plain, value)) if isinstance(value, list | L) else value


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)
