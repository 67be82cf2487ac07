"""What a session adds to a learner beyond its recipe: kept in `recipe.json`, and asked for when the run is resumed."""

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
    """The learner lacks what the run was trained with."""


@dataclass(frozen=True)
class MadeWith:
    """What a learner gets from its recipe. Whatever else it has is the session's.

    Attributes:
        loss_func, opt_func, splitter: as in fastai's `Learner`.
        cbs: the callbacks of every learner.
        frozen: names of the parameters that its net does not train.
        pipeline: the augmentation, as text.
        net_given: the user gave the net itself, not the name of an architecture.
        fingerprint: of the images.
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
    """The names of the parameters that are not trained."""
    return frozenset(name for name, param in model.named_parameters() if not param.requires_grad)


def pipeline_of(dls: ImageLoaders) -> list[str]:
    """The steps of the augmentation, as text."""
    return [repr(step) for step in dls.train.pipeline]


def session_cbs(learn: "ImageLearner") -> list[Callback]:
    """The callbacks that the session added, in its order."""
    return [cb for cb in learn.cbs if cb not in learn.made_with.cbs]


def additions(learn: "ImageLearner") -> dict[str, Any]:
    """What the session added, in plain values; empty for a run of the command line.

    Returns:
        `callbacks`: their class names; `loss`: its name; `metrics`: their names, where accuracy is not the only one;
        `net`: its class name, where the user gave it; `pipeline`: the names of the steps.
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
    """Compare what the learner has with what the run was trained with.

    Callbacks that are new are told in the log: they may only watch.

    Args:
        run: the run directory.
        then, now: of `additions`, when the run began and for the learner that resumes it.

    Raises:
        SessionError: something is missing or another, named.
    """
    had, has = Counter(then.get("callbacks", [])), Counter(now.get("callbacks", []))
    lacking = sorted((had - has).elements())
    others = {name for name in ("loss", "metrics", "pipeline") if then.get(name) != now.get(name)}
    if "net" in then and then["net"] != now.get("net"):  # one that only the learner has gets all weights of the run
        others.add("net")
    if not lacking and not others:
        if new := sorted((has - had).elements()):
            log.warning("%s is resumed with %s, which it was not trained with", run, ", ".join(new))
        return
    parts = [f"the callback {', '.join(lacking)}"] if lacking else []
    parts += [f"the {name} {_told(then.get(name))}" for name in sorted(others)]
    raise SessionError(
        f"{run} was trained with {' and '.join(parts)}, and this learner was not made so; resume it in Python: "
        f"{_how(run, lacking, others)}"
    )


def _told(value: Any) -> str:
    """A value of `additions` in words."""
    if value is None:
        return "of its recipe"
    return ", ".join(value) or "none" if isinstance(value, list) else str(value)


def _how(run: Path, lacking: list[str], others: set[str]) -> str:
    """The lines with which a user resumes the run."""
    arguments = {"callbacks": "cbs=[…]", "metrics": "metrics=[…]", "net": "model=…"}
    given = [text for name, text in arguments.items() if name in others or (name == "callbacks" and lacking)]
    attributes = {"loss": "learn.loss_func = …", "pipeline": "learn.dls.train.pipeline = […]"}
    quoted = f'"{run}"'  # not as in the messages that the command line shows as flags
    lines = [f"learn = resume_learner({', '.join([quoted, *given])})"]
    lines += [text for name, text in attributes.items() if name in others]
    return "; ".join([*lines, "learn.fit_recipe()"])


def _name(thing: Any) -> str:
    """The name of a function, or of the class of an object."""
    if isinstance(thing, partial):
        return _name(thing.func)
    return getattr(thing, "__name__", type(thing).__name__)
