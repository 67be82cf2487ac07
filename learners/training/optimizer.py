"""The optimizer of a recipe, whose parameter groups are split by depth, as in fastai, and then by kind."""

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
from learners.recipe import Recipe
from learners.training.muon import Muon

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.GroupNorm, nn.LayerNorm)
FUSED_SGD_DEVICES = ("cpu", "cuda")  # types of devices for which torch has SGD as one kernel
MUON_LR_SCALE = 0.24  # learning rate of Muon's filters, as a multiple of SGD's: 0.06 for an SGD rate of 0.25
TORCH_NAMES = {"mom": "momentum", "wd": "weight_decay"}  # fastai's names of settings, and torch's where they differ

Depths = Sequence[Sequence[nn.Parameter]]  # parameters by depth, those next to the input first


@dataclass(frozen=True)
class Group:
    """Parameters of the same depth and kind, which share their optimizer settings.

    Attributes:
        params: the parameters.
        depth: index of their group in the result of the splitter.
        decays: whether they have an L2 penalty.
        factor: their learning rate, as a multiple of the learning rate of their depth.
        start: epoch from which they are trained; before it the recipe sets their learning rate to 0.
        orthogonal: whether they are filters to which `Muon` applies an orthogonal update.
    """

    params: list[nn.Parameter]
    depth: int
    decays: bool = False
    factor: float = 1.0
    start: float = 0.0
    orthogonal: bool = False

    def to_dict(self, weight_decay: float) -> dict[str, Any]:
        """Return the group as a parameter group of torch's optimizers, which ignore entries that they do not use."""
        known = {"params": self.params, "weight_decay": weight_decay if self.decays else 0.0}
        ours = {"depth": self.depth, "factor": self.factor, "decays": self.decays}
        return known | ours | ({"orthogonal": True} if self.orthogonal else {})


def body_and_head(model: nn.Module) -> list[list[nn.Parameter]]:
    """Split the parameters into a body and a head; the `splitter` of the learner.

    The head is the last child module that has parameters. A net of a single layer has one group.

    Returns:
        One list of parameters per group, the body first.
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
    """Return the parameter groups: per depth matrices and filters, biases of norm layers, and other vectors.

    Only matrices and filters have weight decay: decay of a norm layer's scale would only change the effective learning
    rate of the layer before it (van Laarhoven 2017). The learning rate of the norm layers' biases is
    `norm_bias_lr_scale` times that of the rest (Jordan 2024). `freeze_stem` and `optimizer="muon"` each add a group at
    the end of a depth. Muon updates the filters of convolutions without a bias, because it rescales them, which is
    harmless only before a norm layer, and a convolution without a bias is assumed to have one behind it.

    Args:
        model: the net.
        recipe: the settings.
        depths: the parameters by depth; by default those of `body_and_head`.
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
            Group([p for p in vectors if id(p) in norm_biases], depth, factor=recipe.norm_bias_lr_scale),
            Group([p for p in vectors if id(p) not in norm_biases], depth),
            Group([p for p in matrices if id(p) in stem], depth, decays=True, start=recipe.freeze_stem),
            Group([p for p in matrices if id(p) in orthogonal], depth, factor=MUON_LR_SCALE, orthogonal=True),
        ]
    return [group for group in groups if group.params]


def _before_norms(model: nn.Module) -> list[torch.Tensor]:
    return [m.weight for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is None]


class RecipeOptimizer(OptimWrapper):
    """An optimizer for fastai that runs torch's SGD or `Muon`; fastai's own SGD has no Nesterov momentum.

    If the device has a fused kernel, one call updates all parameters of a group.

    fastai sees one group per depth, so that `freeze_to`, a `slice` of learning rates and schedules apply to depths.
    Within a depth each kind of parameter is a group of torch's: it gets the learning rate of the depth times its own
    factor, and the weight decay of the depth only if it decays.

    Args:
        params: the parameters by depth, as a splitter returns them, or all in one list.
        lr: the learning rate, or one per depth.
        model: the net of the parameters.
        recipe: the settings.
    """

    def __init__(self, params: Any, lr: Any, *, model: nn.Module, recipe: Recipe) -> None:
        depths = [params] if isinstance(params[0], nn.Parameter) else params
        groups = [group.to_dict(recipe.weight_decay) for group in param_groups(model, recipe, depths)]
        optimizer = Muon if recipe.optimizer == "muon" else torch.optim.SGD
        fused = groups[0]["params"][0].device.type in FUSED_SGD_DEVICES
        nesterov = recipe.momentum > 0
        super().__init__(opt=optimizer(groups, lr=0.0, momentum=recipe.momentum, nesterov=nesterov, fused=fused))
        self.set_hyper("lr", lr)

    @property
    def hypers(self) -> list["DepthHypers"]:  # type: ignore[override]  # fastai returns copies
        """The settings of each depth; setting an entry changes the optimizer."""
        return [DepthHypers(groups) for groups in self._by_depth()]

    @property
    def param_lists(self) -> list[list[nn.Parameter]]:
        """The parameters of each depth."""
        return [[p for group in groups for p in group["params"]] for groups in self._by_depth()]

    @param_lists.setter
    def param_lists(self, v: Any) -> None:
        """Refuse other parameters, which fastai's `to_non_native_fp16` would set here.

        Raises:
            TrainingError: always.
        """
        raise TrainingError(
            "the optimizer of a recipe updates the parameters of the model, not copies of them; use to_fp16 or to_bf16 "
            "instead of to_non_native_fp16, or set an optimizer of fastai as learn.opt_func"
        )

    def set_hyper(self, k: str, v: Any) -> None:
        """Set a setting of the optimizer for every depth.

        Args:
            k: fastai's name of the setting, for example lr, mom or wd.
            v: one value for all depths, one per depth, or a slice.

        Raises:
            ValueError: the number of values is neither one nor the number of depths.
        """
        hypers = self.hypers
        for hyper, value in zip(hypers, _for_each_depth(v, len(hypers)), strict=True):
            hyper[k] = value

    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Update the parameters, after converting each momentum to the memory layout of its parameter.

        torch's fused kernel assumes that both have the same layout, and otherwise computes wrong values without an
        error. The layouts differ after the model was converted, or after the state was loaded from another model.
        Muon's own momentum may have any layout.
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
    """A mapping of the settings of one depth under fastai's names; setting an entry changes the optimizer.

    Args:
        groups: torch's parameter groups of this depth.
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
    """Return one value per depth; a slice is spread over the depths as in fastai's optimizers."""
    if isinstance(v, slice):
        v = even_mults(v.start, v.stop, depths) if v.start else [v.stop / 10] * (depths - 1) + [v.stop]
    values = list(L(v, use_list=None))
    return values * depths if len(values) == 1 else values
