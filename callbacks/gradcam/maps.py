"""The function `grad_cam`, which computes heatmaps of a batch: where in an image the evidence for a class lies."""

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
    """Compute heatmaps of images, in logits.

    With the methods of the Grad-CAM family, the mean of a map over the image is the evidence in the image. At the last
    convolution of a model that ends in average pooling and one linear layer, the map of `gradcam` is the class
    activation map of Zhou et al. 2016 with negative values set to 0. Maps are not rescaled, so a map without evidence
    is zero everywhere. The model, its gradients, modes and hooks, and the random states do not change, also after an
    exception.

    Args:
        model: model from images to logits B×n_classes. It is run in eval mode, and eagerly if it is compiled.
        xb: images as the model takes them, B×C×H×W.
        targets: class to explain for each image, B numbers; by default the predicted class.
        layer: a module with maps B×K×h×w or its dotted name, or several of these, whose maps are averaged. By default
            the last layer whose maps have at least 4×4 positions (see `choose_layers`).
        method: a name in `callbacks.gradcam.methods.METHODS`.

    Returns:
        Maps B×H×W on the device of the images, as float32 or wider.

    Raises:
        CamError: the method, layer, class or shape is invalid; the message lists the valid ones. It is a `ValueError`.
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
    """Set a model to eval mode inside this context, with gradients and without compilation.

    The training modes of its modules and the random states are restored at the end.
    """
    modes = [(module, module.training) for module in net.modules()]
    compiled = "torch._dynamo" in sys.modules  # hooks of a compiled model do not run; compiling imports dynamo
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
