"""Access to the learning rates in an optimizer, without copying its settings."""

from typing import Any

from fastai.optimizer import Optimizer, OptimWrapper


def rate_groups(opt: Optimizer | OptimWrapper) -> list[dict[str, Any]]:
    """Return the dictionaries in which `opt` keeps its settings, one per parameter group; each has the key `lr`.

    The `hypers` of fastai's `OptimWrapper` are a translated copy of them, and making it takes a large part of the time
    of a small step.

    Args:
        opt: a fastai `Optimizer` or `OptimWrapper`.
    """
    return opt.opt.param_groups if isinstance(opt, OptimWrapper) else opt.hypers


def rate_of(group: dict[str, Any]) -> float:
    """Return the learning rate of a parameter group before its `factor`.

    A group may have the setting `factor`: its parameters are then updated with `factor` times the returned rate.
    """
    return float(group["lr"]) / group.get("factor", 1.0)


def rate_and_momentum(opt: Optimizer | OptimWrapper) -> tuple[float, float]:
    """Return the learning rate and momentum of the first parameter group; NaN if the optimizer has no momentum."""
    group = rate_groups(opt)[0]
    return rate_of(group), float(group.get("momentum", group.get("mom", float("nan"))))
