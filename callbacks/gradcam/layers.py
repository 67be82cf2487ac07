"""Which layers a map is taken from: names, defaults, and the errors that name the choices."""

import difflib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

FUSED = 3  # resolutions in the default fusion


class CamError(ValueError):
    """A map that cannot be had of this model: the user's mistake, exit code 2."""

    exit_code = 2


def plain_model(model: nn.Module) -> nn.Module:
    """The module inside the wrappers of `torch.compile` and of data parallelism, whose layers have their own names."""
    if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        return plain_model(model.module)
    return plain_model(model._orig_mod) if hasattr(model, "_orig_mod") else model


def choose_layers(
    net: nn.Module,
    layer: str | Sequence[str] | None,
    fuse: bool,
    run: Callable[[], object],
) -> list[str]:
    """The names of the layers to take maps from.

    Args:
        net: a model; its attribute `cam_layer`, where it has one, names its default.
        layer: one name, several, or None for the default.
        fuse: without a name, take the last map of each of the last three resolutions instead of one.
        run: passes one image through the model, from which a model's maps are known.

    Raises:
        CamError: a name that is no module of the model, or a model without maps.
    """
    if layer is None and not fuse and hasattr(net, "cam_layer"):
        layer = net.cam_layer
    if layer is None:
        stages = _last_of_each_resolution(net, run)
        return stages[-FUSED:] if fuse else stages[-1:]
    names = [layer] if isinstance(layer, str) else list(layer)
    if not names:
        raise CamError("layer: no name given; leave it out for the default")
    known = dict(net.named_modules())
    for name in names:
        if not name or name not in known:
            raise CamError(f"layer {name!r}: no such module; choose from {_choices(net, name)}")
    return names


def _choices(net: nn.Module, name: object) -> str:
    top = [n for n, _ in net.named_children()]
    near = difflib.get_close_matches(str(name), [n for n, _ in net.named_modules() if n not in top], n=3)
    return ", ".join(top + near) + ", or any module inside them"


def _last_of_each_resolution(net: nn.Module, run: Callable[[], object]) -> list[str]:
    """Names of the modules that finish last at each map size, in the order in which they finish.

    A single place says nothing about where, so 1×1 maps count only in a model that has no others.
    """
    last: dict[tuple[int, int], str] = {}

    def note(name: str):
        def hook(module: nn.Module, args: tuple, out: object) -> None:
            if isinstance(out, Tensor) and out.ndim == 4:
                last.pop(tuple(out.shape[2:]), None)  # so that the order is that of finishing
                last[tuple(out.shape[2:])] = name

        return hook

    handles = [m.register_forward_hook(note(n)) for n, m in net.named_modules() if n]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    single = last.pop((1, 1), None)
    if not last and single is None:
        raise CamError("the model has no layer with maps B×K×h×w: Grad-CAM needs a convolutional one")
    return list(last.values()) or [single]
