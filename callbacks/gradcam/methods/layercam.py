"""LayerCAM (Jiang et al. 2021, https://doi.org/10.1109/TIP.2021.3089943), at one layer and fused over several."""

from torch import Tensor

from callbacks.gradcam.capture import at_layers
from callbacks.gradcam.methods import register


def layercam(a: Tensor, g: Tensor) -> Tensor:
    """Return the sum over the channels of positive gradient times activation, times the number of positions.

    Negative sums are set to 0.

    Args:
        a: activations B×K×h×w.
        g: gradients B×K×h×w.
    """
    places = a.shape[2] * a.shape[3]
    return (a * g.clamp(min=0)).sum(1).clamp(min=0) * places


register("layercam")(at_layers(layercam))
register("fusion")(at_layers(layercam, fuse=True))
