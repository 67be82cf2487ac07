"""The rates that an optimizer applies, read and written without a copy."""

from typing import Any

from fastai.optimizer import Optimizer, OptimWrapper


def rate_groups(opt: Optimizer | OptimWrapper) -> list[dict[str, Any]]:
    """The dictionaries in which `opt` keeps its settings, one for each parameter group; `lr` is in each.

    The `hypers` of fastai's `OptimWrapper` are a translated copy of them, which takes a good part of a small step.

    Args:
        opt: a fastai `Optimizer` or `OptimWrapper`.
    """
    return opt.opt.param_groups if isinstance(opt, OptimWrapper) else opt.hypers


def rate_of(group: dict[str, Any]) -> float:
    """The rate that a parameter group follows; its own is `factor` times that, where the group has such a setting."""
    return float(group["lr"]) / group.get("factor", 1.0)


def rate_and_momentum(opt: Optimizer | OptimWrapper) -> tuple[float, float]:
    """The rate and the momentum of the first parameter group; NaN where the optimizer has no momentum."""
    group = rate_groups(opt)[0]
    return rate_of(group), float(group.get("momentum", group.get("mom", float("nan"))))
