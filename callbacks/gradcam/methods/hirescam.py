"""HiResCAM (Draelos and Carin 2020, https://arxiv.org/abs/2011.08891)."""

from torch import Tensor

from callbacks.gradcam.capture import at_layers
from callbacks.gradcam.methods import register


def hirescam(a: Tensor, g: Tensor) -> Tensor:
    """Return the sum over the channels of gradient times activation, times the number of positions, clamped at 0.

    Args:
        a: activations B×K×h×w.
        g: gradients B×K×h×w.
    """
    places = a.shape[2] * a.shape[3]
    return (a * g).sum(1).clamp(min=0) * places


register("hirescam")(at_layers(hirescam))
