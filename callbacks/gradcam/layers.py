"""The layers that heatmaps are taken from: finding them by name, and the default layers."""

import difflib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from callbacks.upstream import uncompiled
from data.common.errors import InputError

Layers: TypeAlias = str | nn.Module | Sequence[str | nn.Module] | None  # modules of a model, or their dotted names

FUSED_RESOLUTIONS = 3  # number of resolutions whose maps the method `fusion` averages by default
MIN_MAP_SIDE = 4  # rows and columns that a map needs to show where the evidence is


class CamError(InputError):
    """Raised for an invalid layer, method, class or input of a heatmap."""


def plain_model(model: nn.Module) -> nn.Module:
    """Return the module inside the wrappers of `torch.compile` and of data parallelism, which rename its layers."""
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
    """Return the names of the layers to take maps from.

    Args:
        net: model without wrappers.
        layer: a module or its name, several of these, or None for the default: the last layer whose maps have at least
            4×4 positions, or if there is none, the last layer whose maps have more than one position.
        fuse: if `layer` is None, return the last layer of each of the last three resolutions.
        run: function that passes one image through the model, to find the sizes of the maps.

    Raises:
        CamError: `layer` is invalid (see `names_of`), or the model has no layer with maps.
    """
    if layer is None:
        stages = _last_of_each_resolution(net, run)
        return list(stages)[-FUSED_RESOLUTIONS:] if fuse else _wide_enough(stages)[-1:]
    return names_of(net, layer)


def names_of(net: nn.Module, layer: Layers) -> list[str]:
    """Return the dotted names of the given layers.

    Args:
        net: model without wrappers.
        layer: a module of the model or its dotted name, or several of these.

    Raises:
        CamError: `layer` has another type, is empty, or is not inside the model.
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
    """Return the last layer of each resolution of at least 4×4, in the order of the forward pass.

    If there is none, smaller resolutions count. For `run` see `choose_layers`.
    """
    return _wide_enough(_last_of_each_resolution(net, run))


def last_layer(net: nn.Module, run: Callable[[], object]) -> str:
    """Return the last layer whose maps have more than one position, which is the usual layer for Grad-CAM.

    For `run` see `choose_layers`.
    """
    return list(_last_of_each_resolution(net, run))[-1]


def _wide_enough(stages: dict[str, tuple[int, int]]) -> list[str]:
    """Return the layers with maps of at least 4×4, or all layers if there are none."""
    return [name for name, size in stages.items() if min(size) >= MIN_MAP_SIDE] or list(stages)


def _choices(net: nn.Module, layer: object) -> str:
    top = [n for n, _ in net.named_children()]
    name = layer if isinstance(layer, str) else ""
    near = difflib.get_close_matches(name, [n for n, _ in net.named_modules() if n and n not in top], n=3)
    return ", ".join(top + near) + ", or any module inside them"


def _last_of_each_resolution(net: nn.Module, run: Callable[[], object]) -> dict[str, tuple[int, int]]:
    """Return the last module of each map size and that size (height, width), in the order of the forward pass.

    A map of 1×1 shows no location, so it is included only if the model has no other maps.
    """
    last: dict[tuple[int, int], str] = {}

    def note(name: str) -> Callable[[nn.Module, tuple, object], None]:
        def hook(module: nn.Module, args: tuple, out: object) -> None:
            if isinstance(out, Tensor) and out.ndim == 4:
                height, width = out.shape[2:]
                last.pop((height, width), None)  # moves the entry to the end: the order is that of the forward pass
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
        raise CamError("the model has no layer with maps B×K×h×w: use a model with convolutional layers")
    stages = {name: size for size, name in last.items() if size != (1, 1)}
    return stages or {last[1, 1]: (1, 1)}
