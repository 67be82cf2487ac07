"""Heatmaps from the activations of layers and the gradients of the class logits with respect to them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from callbacks.gradcam.layers import CamError, choose_layers
from callbacks.gradcam.question import Question

Formula = Callable[[Tensor, Tensor], Tensor]


def at_layers(formula: Formula, fuse: bool = False) -> Callable[[Question], Tensor]:
    """Return a heatmap method that applies `formula` to the activations and gradients of layers.

    Args:
        formula: function of activations and gradients, both B×K×h×w, that returns maps B×h×w.
        fuse: if the user names no layer, average the maps of the last three resolutions instead of using one layer.

    Returns:
        A function from a `Question` to maps B×H×W, the mean over the layers. Gradients are computed only for the part
        of the model after the layers.
    """

    def maps(question: Question) -> Tensor:
        layer_maps = [
            _upsampled_maps(formula, a, g, question.xb) for a, g in _activations_and_gradients(question, fuse)
        ]
        return torch.stack(layer_maps).mean(0)

    return maps


def _activations_and_gradients(question: Question, fuse: bool) -> list[tuple[Tensor, Tensor]]:
    net, xb = question.net, question.xb
    names = choose_layers(net, question.layer, fuse, run=lambda: question.logits(xb[:1]))
    with _capture_outputs(net, names) as maps:
        logits = question.logits(xb)
    evidence = logits.gather(1, question.classes(logits)[:, None]).sum()
    activations = [_captured_output(maps, name) for name in names]
    return list(zip(activations, _gradients(evidence, activations, names), strict=True))


def _gradients(evidence: Tensor, activations: list[Tensor], names: list[str]) -> list[Tensor]:
    gradients: Sequence[Tensor | None] = [None] * len(names)
    if evidence.requires_grad:
        gradients = torch.autograd.grad(evidence, activations, allow_unused=True)
    found = []
    for name, gradient in zip(names, gradients, strict=True):
        if gradient is None:
            raise CamError(f"layer {name!r}: the logits do not depend on it; choose a layer that they depend on")
        found.append(gradient)
    return found


def _upsampled_maps(formula: Formula, a: Tensor, g: Tensor, xb: Tensor) -> Tensor:
    """Return the maps of a layer at the size of the images, B×H×W."""
    wide = torch.promote_types(a.dtype, torch.float32)
    with torch.autocast(xb.device.type, enabled=False):
        cam = formula(a.detach().to(wide), g.to(wide))  # B×h×w
    return F.interpolate(cam[:, None], size=xb.shape[2:], mode="bilinear")[:, 0]  # B×H×W


@contextmanager
def _capture_outputs(net: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Store the outputs of the named layers in the returned dictionary during forward passes inside this context.

    Autograd records the forward pass from the first of these layers on.
    """
    maps: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, tuple, object], Tensor]:
        def hook(module: nn.Module, args: tuple, out: object) -> Tensor:
            if not isinstance(out, Tensor) or out.ndim != 4:
                shape = "×".join(map(str, out.shape)) if isinstance(out, Tensor) else type(out).__name__
                raise CamError(f"layer {name!r} returns {shape}: choose a layer with maps B×K×h×w")
            maps[name] = out if out.requires_grad else out.detach().requires_grad_()
            return maps[name].clone()  # a copy, because the next layer may change its input in place

        return hook

    with ExitStack() as stack:
        for name in names:
            stack.callback(net.get_submodule(name).register_forward_hook(keep(name)).remove)
        yield maps


def _captured_output(maps: dict[str, Tensor], name: str) -> Tensor:
    if name not in maps:
        raise CamError(f"layer {name!r}: the model does not call it; choose a layer that the logits depend on")
    return maps[name]
