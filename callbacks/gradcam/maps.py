"""Grad-CAM of whole batches: where in an image the evidence for a class lies, in logits."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from callbacks.gradcam.layers import CamError, choose_layers, plain_model
from callbacks.gradcam.methods import METHODS


def grad_cam(
    model: nn.Module,
    xb: Tensor,
    targets: Tensor | Sequence[int] | None = None,
    layer: str | Sequence[str] | None = None,
    method: str = "gradcam",
) -> Tensor:
    """Evidence maps B×H×W of images B×C×H×W, on their device, as float32 or wider.

    A map's unit is the logit, and its mean over the image the evidence in the image: at the last convolution of a net
    that ends in average pooling and one linear layer, the rectified class activation map of Zhou et al. 2016. Nothing
    is stretched to a range, so a map without evidence is a map of zeros. The model, its gradients, modes and hooks,
    and the random states are left as they were, whatever happens. Only the part of the model above the layer is
    differentiated.

    Args:
        model: maps images to logits B×n_classes. It is run in eval mode; a compiled one is run eagerly.
        xb: images as the model takes them.
        targets: the class to explain of each image, B numbers; by default the predicted one.
        layer: the dotted name of a module with maps B×K×h×w, or several names, whose maps are averaged. By default
            `model.cam_layer`, or else the last layer that has more than one place.
        method: gradcam, gradcam++, hirescam, layercam, or fusion: LayerCAM at the last three resolutions.

    Raises:
        CamError: a `ValueError`: a method, layer, class or shape that cannot be, named with the choices.
    """
    if method not in METHODS:
        raise CamError(f"method {method!r}: choose from {', '.join(METHODS)}")
    if not isinstance(xb, Tensor) or xb.ndim != 4:
        raise CamError(f"xb has shape {tuple(getattr(xb, 'shape', ()))}: images must be B×C×H×W")
    xb = xb.detach().as_subclass(Tensor)
    net = plain_model(model)
    weights = {
        name: p.detach() for name, p in net.named_parameters()
    }  # so that no operation is recorded for their sake
    with untouched(net, xb.device):
        names = choose_layers(net, layer, method == "fusion", run=lambda: functional_call(net, weights, xb[:1]))
        with _captured(net, names) as maps:
            logits = functional_call(net, weights, xb)
        evidence = _of_targets(logits, targets, xb)
        activations = [_finished(maps, name) for name in names]
        gradients = _gradients(evidence, activations, names)
    drawn = [_draw(METHODS[method], a, g, xb) for a, g in zip(activations, gradients, strict=True)]
    return torch.stack(drawn).mean(0)


def _gradients(evidence: Tensor, activations: list[Tensor], names: list[str]) -> list[Tensor]:
    gradients = [None] * len(names)
    if evidence.requires_grad:
        gradients = torch.autograd.grad(evidence, activations, allow_unused=True)
    for name, gradient in zip(names, gradients, strict=True):
        if gradient is None:
            raise CamError(f"layer {name!r}: the logits do not depend on it; choose one on the way to them")
    return gradients


def _draw(formula: Callable[[Tensor, Tensor], Tensor], a: Tensor, g: Tensor, xb: Tensor) -> Tensor:
    """A layer's maps at the size of the images, B×H×W."""
    wide = torch.promote_types(a.dtype, torch.float32)
    with torch.autocast(xb.device.type, enabled=False):
        cam = formula(a.detach().to(wide), g.to(wide))  # B×h×w
    return F.interpolate(cam[:, None], size=xb.shape[2:], mode="bilinear")[:, 0]  # B×H×W


@contextmanager
def _captured(net: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """While it lasts, a forward pass leaves the named layers' outputs here and is recorded from the first on."""
    maps: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(module: nn.Module, args: tuple, out: object) -> Tensor:
            if not isinstance(out, Tensor) or out.ndim != 4:
                shape = "×".join(map(str, out.shape)) if isinstance(out, Tensor) else type(out).__name__
                raise CamError(f"layer {name!r} gives {shape}: choose a layer with maps B×K×h×w")
            maps[name] = out if out.requires_grad else out.detach().requires_grad_()
            return maps[name].clone()  # the next layer may work in place

        return hook

    with ExitStack() as stack:
        for name in names:
            stack.callback(net.get_submodule(name).register_forward_hook(keep(name)).remove)
        yield maps


@contextmanager
def untouched(net: nn.Module, device: torch.device) -> Iterator[None]:
    """Run a model in eval mode, with gradients and without compilation; leave modes and random states as they were."""
    modes = [(module, module.training) for module in net.modules()]
    compiled = "torch._dynamo" in sys.modules  # hooks on a compiled model do not fire; without dynamo there is none
    with (
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.compiler.set_stance("force_eager") if compiled else nullcontext(),
    ):
        try:
            net.eval()
            yield
        finally:
            for module, training in modes:
                module.training = training


def _finished(maps: dict[str, Tensor], name: str) -> Tensor:
    if name not in maps:
        raise CamError(f"layer {name!r}: the model does not call it; choose one on the way to the logits")
    return maps[name]


def _of_targets(logits: object, targets: Tensor | Sequence[int] | None, xb: Tensor) -> Tensor:
    """The sum over the batch of each image's target logit."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(xb):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise CamError(f"the model gives {shape}: Grad-CAM needs logits B×n_classes, here with B = {len(xb)}")
    if targets is None:
        targets = logits.argmax(1)
    targets = torch.as_tensor(targets, device=logits.device).as_subclass(Tensor)
    n_classes = logits.shape[1]
    if targets.shape != (len(xb),):
        raise CamError(f"targets have shape {tuple(targets.shape)}: give one class for each of {len(xb)} images")
    if targets.is_floating_point() or targets.dtype == torch.bool:
        raise CamError(f"targets are {targets.dtype}: give class numbers from 0 to {n_classes - 1}")
    bad = targets[(targets < 0) | (targets >= n_classes)]
    if len(bad):
        raise CamError(f"target {bad[0].item()}: choose classes from 0 to {n_classes - 1}")
    return logits.gather(1, targets.long()[:, None]).sum()
