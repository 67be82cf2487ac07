"""HiResCAM (Draelos and Carin 2020, https://arxiv.org/abs/2011.08891)."""

from torch import Tensor

from callbacks.gradcam.capture import at_layers
from callbacks.gradcam.methods import register


def hirescam(a: Tensor, g: Tensor) -> Tensor:
    """Multiply gradient and activation place by place, and add up the channels."""
    places = a.shape[2] * a.shape[3]
    return (a * g).sum(1).clamp(min=0) * places


register("hirescam")(at_layers(hirescam))
