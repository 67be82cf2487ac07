"""The optimizer of a recipe: groups of parameters by depth, as fastai's verbs mean them, each split by kind inside."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from fastai.optimizer import OptimWrapper
from fastcore.basics import even_mults
from fastcore.foundation import L
from torch import nn

from callbacks.training.rates import rate_of
from data.common.errors import TrainingError
from learners.muon import Muon
from learners.recipe import Recipe

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.GroupNorm, nn.LayerNorm)
FUSED = ("cpu", "cuda")  # devices for which torch has SGD as one kernel
FILTERS_RATE = 0.24  # Muon's rate for the filters, as a multiple of SGD's: 0.06 where SGD has 0.25
TORCH_NAMES = {"mom": "momentum", "wd": "weight_decay"}  # of the settings that fastai calls otherwise

Depths = Sequence[Sequence[nn.Parameter]]  # parameters by depth, the input's side first


@dataclass(frozen=True)
class Group:
    """Parameters of one depth and one kind, which have the same settings.

    Attributes:
        params: the parameters.
        depth: which of the groups of the splitter they belong to.
        decays: whether an L2 penalty is put on them.
        factor: their rate, as a multiple of the rate of their depth.
        start: the epoch in which their training starts; a recipe gives them the rate 0 before it.
        orthogonal: they are filters that `Muon` steps by an orthogonal matrix.
    """

    params: list[nn.Parameter]
    depth: int
    decays: bool = False
    factor: float = 1.0
    start: float = 0.0
    orthogonal: bool = False

    def to_dict(self, weight_decay: float) -> dict[str, Any]:
        """The group in the form that torch's optimizers take; torch leaves settings that it does not know alone."""
        known = {"params": self.params, "weight_decay": weight_decay if self.decays else 0.0}
        ours = {"depth": self.depth, "factor": self.factor, "decays": self.decays}
        return known | ours | ({"orthogonal": True} if self.orthogonal else {})


def body_and_head(model: nn.Module) -> list[list[nn.Parameter]]:
    """fastai's `splitter`: all parameters in two groups, those of the last part of the net in the second.

    The last part is the last of the model's children that have parameters. A net of a single layer is one group.
    """
    head = {id(p) for p in _head(model).parameters()}
    body = [p for p in model.parameters() if id(p) not in head]
    return [depth for depth in (body, [p for p in model.parameters() if id(p) in head]) if depth]


def _head(module: nn.Module) -> nn.Module:
    children = [child for child in module.children() if any(True for _ in child.parameters())]
    if len(children) == 1:
        return _head(children[0])
    return children[-1] if children else module


def param_groups(model: nn.Module, recipe: Recipe, depths: Depths | None = None) -> list[Group]:
    """The groups of the parameters: for each depth matrices and filters, biases of norms, and other vectors.

    Matrices and filters decay. Decaying the scale of a norm would only change the effective rate of the layer before
    it (van Laarhoven 2017). Norm biases train `bias_lr` times as fast as the rest (Jordan 2024). `freeze_stem` and
    `optimizer="muon"` add a group each, at the end of a depth. Muon steps the filters of convolutions without a bias:
    it rescales them, and a layer without a bias is one that a norm follows.

    Args:
        model: the net.
        recipe: its settings.
        depths: the parameters by depth; by default `body_and_head`.
    """
    norm_biases = {id(m.bias) for m in model.modules() if isinstance(m, NORMS)}
    filters = [p for p in model.parameters() if p.ndim == 4]
    stem = {id(p) for p in filters[:1]} if recipe.freeze_stem else set()
    orthogonal = {id(p) for p in _before_norms(model)} - stem if recipe.optimizer == "muon" else set()
    groups = []
    for depth, params in enumerate(body_and_head(model) if depths is None else depths):
        vectors, matrices = [p for p in params if p.ndim <= 1], [p for p in params if p.ndim > 1]
        plain = [p for p in matrices if id(p) not in stem | orthogonal]
        groups += [
            Group(plain, depth, decays=True),
            Group([p for p in vectors if id(p) in norm_biases], depth, factor=recipe.bias_lr),
            Group([p for p in vectors if id(p) not in norm_biases], depth),
            Group([p for p in matrices if id(p) in stem], depth, decays=True, start=recipe.freeze_stem),
            Group([p for p in matrices if id(p) in orthogonal], depth, factor=FILTERS_RATE, orthogonal=True),
        ]
    return [group for group in groups if group.params]


def _before_norms(model: nn.Module) -> list[torch.Tensor]:
    return [m.weight for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is None]


class RecipeOptimizer(OptimWrapper):
    """torch's SGD, because fastai's own has no Nesterov momentum, or `Muon`.

    Where the device has a kernel for it, one call steps all parameters of a group.

    fastai sees one group for each depth, so that `freeze_to`, `slice` of rates and schedules are about depths. Each
    depth is split by kind inside: its rate reaches every kind times the factor of the kind, its `wd` only those that
    decay.

    Args:
        params: by depth, as a splitter gives them; or all in one list.
        lr: the rate.
        model: the net of the parameters.
        recipe: its settings.
    """

    def __init__(self, params: Any, lr: Any, *, model: nn.Module, recipe: Recipe) -> None:
        depths = [params] if isinstance(params[0], nn.Parameter) else params
        groups = [group.to_dict(recipe.weight_decay) for group in param_groups(model, recipe, depths)]
        optimizer = Muon if recipe.optimizer == "muon" else torch.optim.SGD
        fused = groups[0]["params"][0].device.type in FUSED
        nesterov = recipe.momentum > 0
        super().__init__(opt=optimizer(groups, lr=0.0, momentum=recipe.momentum, nesterov=nesterov, fused=fused))
        self.set_hyper("lr", lr)

    @property
    def hypers(self) -> list["DepthHypers"]:  # type: ignore[override]  # fastai hands out copies
        """The settings of each depth; to write one changes the optimizer."""
        return [DepthHypers(groups) for groups in self._by_depth()]

    @property
    def param_lists(self) -> list[list[nn.Parameter]]:
        """The parameters of each depth."""
        return [[p for group in groups for p in group["params"]] for groups in self._by_depth()]

    @param_lists.setter
    def param_lists(self, v: Any) -> None:
        """fastai's callback for half precision of before `to_fp16` puts parameters of its own here.

        Raises:
            TrainingError: always.
        """
        raise TrainingError(
            "the optimizer of a recipe steps the parameters of the model and no copies of them; use to_fp16 or to_bf16 "
            "instead of to_non_native_fp16, or an optimizer of fastai as learn.opt_func"
        )

    def set_hyper(self, k: str, v: Any) -> None:
        """Set what fastai calls `k`, for example lr, mom or wd: one value for all depths, one for each, or a slice.

        Raises:
            ValueError: neither one value nor one for each depth.
        """
        hypers = self.hypers
        for hyper, value in zip(hypers, _for_each_depth(v, len(hypers)), strict=True):
            hyper[k] = value

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """torch's step, for momentum in any memory layout.

        One kernel for all parameters reads momentum in the layout of the parameter. It has another one after the
        model was converted, or after it was loaded from another model, and would be mixed up without a word. Muon's
        own momentum may have any.
        """
        plain = (group["params"] for group in self.opt.param_groups if not group.get("orthogonal"))
        for param in chain.from_iterable(plain):
            state = self.opt.state.get(param, {})
            momentum = state.get("momentum_buffer")
            if momentum is not None and momentum.stride() != param.stride():
                state["momentum_buffer"] = torch.empty_like(param).copy_(momentum)
        self.opt.step(closure)

    def _by_depth(self) -> list[list[dict[str, Any]]]:
        groups = self.opt.param_groups
        return [[g for g in groups if g["depth"] == depth] for depth in range(groups[-1]["depth"] + 1)]


class DepthHypers(MutableMapping[str, Any]):
    """The settings of one depth under fastai's names.

    Args:
        groups: torch's groups of this depth, which are read and written.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.groups = groups

    def __getitem__(self, name: str) -> Any:
        key = TORCH_NAMES.get(name, name)
        if key == "weight_decay":
            return max(group[key] for group in self.groups)
        return rate_of(self.groups[0]) if key == "lr" else self.groups[0][key]

    def __setitem__(self, name: str, value: Any) -> None:
        key = TORCH_NAMES.get(name, name)
        for group in self.groups:
            if key == "lr":
                group[key] = float(value) * group["factor"]
            elif key != "weight_decay" or group["decays"]:
                group[key] = value

    def __delitem__(self, name: str) -> None:
        raise TypeError("a setting of an optimizer cannot be removed")

    def __iter__(self) -> Iterator[str]:
        names = {key: name for name, key in TORCH_NAMES.items()}
        return (names.get(key, key) for key in self.groups[0] if key != "params")

    def __len__(self) -> int:
        return len(self.groups[0]) - 1


def _for_each_depth(v: Any, depths: int) -> Sequence[Any]:
    """One value for each depth, spread as fastai's optimizers spread it."""
    if isinstance(v, slice):
        v = even_mults(v.start, v.stop, depths) if v.start else [v.stop / 10] * (depths - 1) + [v.stop]
    values = list(L(v, use_list=None))
    return values * depths if len(values) == 1 else values
