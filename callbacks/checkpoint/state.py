"""The state of a run between two steps: capturing it as CPU tensors and plain values, and restoring it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from fastcore.foundation import L
from torch import nn

from callbacks.checkpoint.attributes import SCALAR_TYPES, plain_attributes, set_attributes
from callbacks.checkpoint.checkpoint_file import FORMAT_VERSION, CheckpointError


def before_checkpoint(learn: Learner) -> None:
    """Call the method `before_checkpoint` of each callback that has one.

    Callbacks use it to complete their state, or to refuse it by an exception.

    Raises:
        TrainingError: a callback found that the run has failed.
    """
    for cb in learn.cbs.sorted("order"):
        if hasattr(type(cb), "before_checkpoint"):
            cb.before_checkpoint()


def has_state(cb: Callback) -> bool:
    """Return whether a callback's class defines `state_dict` and `load_state_dict`."""
    return hasattr(type(cb), "state_dict") and hasattr(type(cb), "load_state_dict")


def capture(learn: Learner, recipe: dict[str, Any], session: Sequence[Callback] = ()) -> dict[str, Any]:
    """Return copies of everything that the next step depends on, and the settings of the run.

    The entries `epoch` and `step` are the position at which training continues; after the last step of an epoch, `step`
    is the number of steps of the epoch.

    Args:
        learn: learner between two steps.
        recipe: settings of the run, in plain values.
        session: callbacks whose plain attributes are stored if their class does not define `state_dict`.
    """
    named = _callbacks_by_name(learn)
    state = {
        "format": FORMAT_VERSION,
        "recipe": recipe,
        "epoch": learn.epoch,
        "step": learn.iter + 1,
        "model": learn.model.state_dict(),
        "gradients": [p.grad for p in learn.model.parameters()],  # needed while gradients are accumulated
        "opt": learn.opt.state_dict(),
        "callbacks": {name: cb.state_dict() for name, cb in named.items() if has_state(cb)},
    }
    attributes = {name: plain_attributes(cb) for name, cb in named.items() if cb in session and not has_state(cb)}
    return _plain_copy(state) | {"attributes": attributes}


def check_state(learn: Learner, state: dict[str, Any], path: Path) -> None:
    """Check that a learner can resume from `state`, before it takes a step.

    Args:
        learn: learner to resume.
        state: result of `capture`.
        path: path of the checkpoint, for messages.

    Raises:
        CheckpointError: the state belongs to a callback that the learner does not have, or to an epoch or step that
            the run does not have.
    """
    kept = state["callbacks"].keys() | state.get("attributes", {}).keys()
    if missing := sorted(kept - _callbacks_by_name(learn).keys()):
        raise CheckpointError(
            f"{path}: the run was trained with the callback {', '.join(missing)}, which this learner does not have; "
            "pass it in `cbs` to resume the run"
        )
    steps = len(learn.dls.train)
    if state["epoch"] >= learn.n_epoch or state["step"] > steps:
        raise CheckpointError(
            f"{path}: written in epoch {state['epoch']} after step {state['step']}, but the run has {learn.n_epoch} "
            f"epochs of {steps} steps; restore it from a backup, or delete it to start the run again from the beginning"
        )


def restore(learn: Learner, state: dict[str, Any], path: Path) -> None:
    """Restore the state of `learn` at the time of `capture`.

    Args:
        learn: learner in the first epoch of the resumed fit.
        state: result of `capture`.
        path: path of the checkpoint, for messages.

    Raises:
        CheckpointError: the state does not fit the model, the optimizer or a callback.
    """
    named = _callbacks_by_name(learn)
    with _state_errors(f"{path}: the weights do", "pass the model that the run was started with as `model`"):
        learn.model.load_state_dict(state["model"])
        _set_gradients(learn.model, state.get("gradients", []))
    with _state_errors(f"{path}: the state of the optimizer does", "resume with the version that started the run"):
        learn.opt.load_state_dict(state["opt"])
    same_arguments = "pass it with the arguments that it had in the run"
    for name, of_callback in state["callbacks"].items():
        with _state_errors(f"{path}: the state of the callback {name} does", same_arguments):
            named[name].load_state_dict(of_callback)
    for name, attributes in state.get("attributes", {}).items():
        with _state_errors(f"{path}: the state of the callback {name} does", same_arguments):
            set_attributes(named[name], attributes, learn.dls.device)
    learn.train_iter = state["epoch"] * len(learn.dls.train) + state["step"]


@contextmanager
def _state_errors(subject: str, hint: str) -> Iterator[None]:
    """Replace an exception in this context by a `CheckpointError` that names the object whose state does not fit."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{subject} not fit this learner ({why}); {hint}") from error


def _set_gradients(model: nn.Module, gradients: list[torch.Tensor | None]) -> None:
    for param, gradient in zip(model.parameters(), gradients, strict=False):
        param.grad = None if gradient is None else gradient.to(param)


def _callbacks_by_name(learn: Learner) -> dict[str, Callback]:
    """Return the callbacks by name; if several share a name, a number is added to the later ones."""
    named: dict[str, Callback] = {}
    for cb in learn.cbs:
        same_name = sum(cb.name == other.name for other in named.values())
        named[f"{cb.name} {same_name + 1}" if same_name else cb.name] = cb
    return named


def is_finite(state: dict[str, Any]) -> bool:
    """Return whether all weights and optimizer values of a captured state are finite."""
    return all(t.isfinite().all() for t in _tensors([state["model"], state["opt"]]))


def _plain_copy(value: Any) -> Any:
    """Return a copy that the next step does not change, in types that `weights_only` loading accepts."""
    if type(value) in SCALAR_TYPES:  # first, because most values are scalars
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().as_subclass(torch.Tensor).to("cpu", copy=True)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _plain_copy(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain_copy, value))
    return list(map(_plain_copy, value)) if isinstance(value, list | L) else value


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item)
