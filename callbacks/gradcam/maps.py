"""Heatmaps of whole batches: where in an image the evidence for a class lies, in logits."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from callbacks.gradcam.layers import CamError, Layers, plain_model
from callbacks.gradcam.methods import METHODS
from callbacks.gradcam.question import Question


def grad_cam(
    model: nn.Module,
    xb: Tensor,
    targets: Tensor | Sequence[int] | None = None,
    layer: Layers = None,
    method: str = "gradcam",
) -> Tensor:
    """Evidence maps B×H×W of images B×C×H×W, on their device, as float32 or wider.

    A map's unit is the logit. With the Grad-CAM family its mean over the image is the evidence in the image: at the
    last convolution of a net that ends in average pooling and one linear layer, the rectified class activation map of
    Zhou et al. 2016. Nothing is stretched to a range, so a map without evidence is a map of zeros. The model, its
    gradients, modes and hooks, and the random states are left as they were, whatever happens.

    Args:
        model: maps images to logits B×n_classes. It is run in eval mode; a compiled one is run eagerly.
        xb: images as the model takes them.
        targets: the class to explain of each image, B numbers; by default the predicted one.
        layer: a module with maps B×K×h×w or its dotted name, or several, whose maps are averaged. By default the last
            layer whose maps have at least 4×4 places (see `choose_layers`).
        method: a name in `callbacks.gradcam.methods.METHODS`.

    Raises:
        CamError: a `ValueError`: an invalid method, layer, class or shape; the message lists the valid ones.
    """
    if method not in METHODS:
        raise CamError(f"method {method!r}: choose from {', '.join(METHODS)}")
    if not isinstance(xb, Tensor) or xb.ndim != 4:
        raise CamError(f"xb has shape {tuple(getattr(xb, 'shape', ()))}: images must be B×C×H×W")
    xb = xb.detach().as_subclass(Tensor)
    net = plain_model(model)
    with untouched(net, xb.device):
        return METHODS[method].maps(Question(net, xb, targets, layer)).detach()


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
