"""Which layers a map is taken from: names, defaults, and the errors that name the choices."""

import difflib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from callbacks.upstream import uncompiled
from data.common.errors import InputError

Layers: TypeAlias = str | nn.Module | Sequence[str | nn.Module] | None  # modules of a model, or their dotted names

FUSED_RESOLUTIONS = 3  # resolutions in the default fusion
MIN_MAP_SIDE = 4  # rows and columns of a map, at the least: fewer say little about where


class CamError(InputError):
    """Invalid layer, method, class or input for a heatmap."""


def plain_model(model: nn.Module) -> nn.Module:
    """The module inside the wrappers of `torch.compile` and of data parallelism, whose layers have their own names."""
    if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return plain_model(model.module)
    inner = uncompiled(model)
    return model if inner is model else plain_model(inner)


def choose_layers(
    net: nn.Module,
    layer: Layers,
    fuse: bool,
    run: Callable[[], object],
) -> list[str]:
    """The names of the layers to take maps from.

    Args:
        net: a model.
        layer: a module or its name, several, or None for the default: the last layer whose maps have at least 4×4
            places, or, where none has so many, the last one with more than one place.
        fuse: without a name, take the last map of each of the last three resolutions instead of one.
        run: passes one image through the model, from which the sizes of the maps are known.

    Raises:
        CamError: see `names_of`, or a model without maps.
    """
    if layer is None:
        stages = _last_of_each_resolution(net, run)
        return list(stages)[-FUSED_RESOLUTIONS:] if fuse else _wide_enough(stages)[-1:]
    return names_of(net, layer)


def names_of(net: nn.Module, layer: Layers) -> list[str]:
    """The dotted names of what a user named: names, or modules of the model.

    Raises:
        CamError: neither, or no module inside the model.
    """
    named = [layer] if isinstance(layer, str | nn.Module) else layer
    if not isinstance(named, Sequence):
        raise CamError(f"layer: give a module of the model or its dotted name, not {type(layer).__name__}")
    if not named:
        raise CamError("layer: no name given; leave it out for the default")
    return [_name_of(net, one) for one in named]


def _name_of(net: nn.Module, layer: object) -> str:
    known = {name: module for name, module in net.named_modules() if name}
    if isinstance(layer, str) and layer in known:
        return layer
    for name, module in known.items():
        if module is layer:
            return name
    shown = repr(layer) if isinstance(layer, str) else f"({type(layer).__name__})"
    raise CamError(f"layer {shown}: no such module inside the model; choose from {_choices(net, layer)}")


def candidate_layers(net: nn.Module, run: Callable[[], object]) -> list[str]:
    """The last layer of each resolution of at least 4×4, in the order in which they finish; see `choose_layers`."""
    return _wide_enough(_last_of_each_resolution(net, run))


def last_layer(net: nn.Module, run: Callable[[], object]) -> str:
    """The last layer with more than one place, however few: where Grad-CAM is usually taken from."""
    return list(_last_of_each_resolution(net, run))[-1]


def _wide_enough(stages: dict[str, tuple[int, int]]) -> list[str]:
    """Without any layer of at least 4×4, all of them: some map is better than none."""
    return [name for name, size in stages.items() if min(size) >= MIN_MAP_SIDE] or list(stages)


def _choices(net: nn.Module, layer: object) -> str:
    top = [n for n, _ in net.named_children()]
    name = layer if isinstance(layer, str) else ""
    near = difflib.get_close_matches(name, [n for n, _ in net.named_modules() if n and n not in top], n=3)
    return ", ".join(top + near) + ", or any module inside them"


def _last_of_each_resolution(net: nn.Module, run: Callable[[], object]) -> dict[str, tuple[int, int]]:
    """By name of the module that finishes last at each map size: that size, in the order in which they finish.

    A single place says nothing about where, so 1×1 maps count only in a model that has no others.
    """
    last: dict[tuple[int, int], str] = {}

    def note(name: str) -> Callable[[nn.Module, tuple, object], None]:
        def hook(module: nn.Module, args: tuple, out: object) -> None:
            if isinstance(out, Tensor) and out.ndim == 4:
                height, width = out.shape[2:]
                last.pop((height, width), None)  # so that the order is that of finishing
                last[height, width] = name

        return hook

    handles = [m.register_forward_hook(note(n)) for n, m in net.named_modules() if n]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    if not last:
        raise CamError("the model has no layer with maps B×K×h×w: Grad-CAM needs a convolutional one")
    stages = {name: size for size, name in last.items() if size != (1, 1)}
    return stages or {last[1, 1]: (1, 1)}
