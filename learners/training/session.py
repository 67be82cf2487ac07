"""Callbacks, metrics and others that a session adds to the recipe; they are stored, and required for a resume."""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastai.callback.core import Callback
from torch import nn

from callbacks.training.means import accuracy
from data.block import ImageLoaders
from data.common.errors import InputError

if TYPE_CHECKING:
    from learners.learner import ImageLearner

log = logging.getLogger(__name__)


class SessionError(InputError):
    """The learner lacks callbacks, metrics or others that the run was trained with."""


@dataclass(frozen=True)
class MadeWith:
    """The parts of a learner that come from its recipe; all other parts come from the session.

    Attributes:
        loss_func, opt_func, splitter: as in fastai's `Learner`.
        cbs: the callbacks of every learner.
        frozen: names of the parameters of the net that are not trained.
        pipeline: the steps of the augmentation, as text.
        net_given: whether the user passed a net instead of the name of an architecture.
        fingerprint: fingerprint of the images.
    """

    loss_func: Callable[..., Any]
    opt_func: Callable[..., Any]
    splitter: Callable[..., Any]
    cbs: tuple[Callback, ...]
    frozen: frozenset[str]
    pipeline: list[str]
    net_given: bool
    fingerprint: str


def frozen_parameters(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that are not trained."""
    return frozenset(name for name, param in model.named_parameters() if not param.requires_grad)


def pipeline_of(dls: ImageLoaders) -> list[str]:
    """Return the steps of the augmentation, as text."""
    return [repr(step) for step in dls.train.pipeline]


def session_cbs(learn: "ImageLearner") -> list[Callback]:
    """Return the callbacks that the session added, in the order in which it added them."""
    return [cb for cb in learn.cbs if cb not in learn.made_with.cbs]


def additions(learn: "ImageLearner") -> dict[str, Any]:
    """Return the names of the parts that the session added; empty for a run of the command line.

    Returns:
        `callbacks`: class names; `loss`: name of the function; `metrics`: names, unless accuracy is the only one;
        `net`: class name, if the user passed a net; `pipeline`: names of the steps.
    """
    made, found = learn.made_with, dict[str, Any]()
    if cbs := session_cbs(learn):
        found["callbacks"] = [type(cb).__name__ for cb in cbs]
    if learn.loss_func is not made.loss_func:
        found["loss"] = _name(learn.loss_func)
    if (metrics := [metric.name for metric in learn.metrics]) != [accuracy.__name__]:
        found["metrics"] = metrics
    if made.net_given:
        found["net"] = type(learn.model).__name__
    if (steps := pipeline_of(learn.dls)) != made.pipeline:
        found["pipeline"] = [step.split("(")[0] for step in steps]
    return found


def check_additions(run: Path, then: dict[str, Any], now: dict[str, Any]) -> None:
    """Check that the learner has the same additions as the run that it resumes.

    Additional callbacks are allowed, because they may only observe, and are logged.

    Args:
        run: the run directory.
        then: `additions` of the learner that began the run.
        now: `additions` of the learner that resumes it.

    Raises:
        SessionError: an addition is missing or different; the message names it.
    """
    had, has = Counter(then.get("callbacks", [])), Counter(now.get("callbacks", []))
    lacking = sorted((had - has).elements())
    others = {name for name in ("loss", "metrics", "pipeline") if then.get(name) != now.get(name)}
    if "net" in then and then["net"] != now.get("net"):  # a net that only `now` has gets all weights of the run
        others.add("net")
    if not lacking and not others:
        if new := sorted((has - had).elements()):
            log.warning("%s is resumed with additional callbacks: %s", run, ", ".join(new))
        return
    parts = [f"the callback {', '.join(lacking)}"] if lacking else []
    parts += [f"the {name} {_value_text(then.get(name))}" for name in sorted(others)]
    raise SessionError(
        f"{run} was trained with {' and '.join(parts)}, which this learner does not have; resume it in Python: "
        f"{_resume_lines(run, lacking, others)}"
    )


def _value_text(value: Any) -> str:
    """Return a value of `additions` as text."""
    if value is None:
        return "of its recipe"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def _resume_lines(run: Path, lacking: list[str], others: set[str]) -> str:
    """Return the lines of Python that resume the run."""
    arguments = {"callbacks": "cbs=[…]", "metrics": "metrics=[…]", "net": "model=…"}
    given = [text for name, text in arguments.items() if name in others or (name == "callbacks" and lacking)]
    attributes = {"loss": "learn.loss_func = …", "pipeline": "learn.dls.train.pipeline = […]"}
    quoted = f'"{run}"'  # in double quotes, because the command line replaces resume_learner('…') by a command
    lines = [f"learn = resume_learner({', '.join([quoted, *given])})"]
    lines += [text for name, text in attributes.items() if name in others]
    return "; ".join([*lines, "learn.fit_recipe()"])


def _name(thing: Any) -> str:
    """Return the name of a function, or of the class of an object."""
    if isinstance(thing, partial):
        return _name(thing.func)
    return getattr(thing, "__name__", type(thing).__name__)
