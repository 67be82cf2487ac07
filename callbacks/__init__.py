"""What takes part in training or looks at a model: callbacks, the checkpoint, the learning-rate finder, Grad-CAM."""

from typing import TYPE_CHECKING

from data.common.public import on_first_use

if TYPE_CHECKING:
    from callbacks.gradcam.callback import GradCAMCallback
    from callbacks.gradcam.interpretation import GradCAMInterpretation
    from callbacks.gradcam.maps import grad_cam

_HOMES = {
    "GradCAMCallback": "gradcam.callback",
    "GradCAMInterpretation": "gradcam.interpretation",
    "grad_cam": "gradcam.maps",
}
__all__ = ["GradCAMCallback", "GradCAMInterpretation", "grad_cam"]
__getattr__, __dir__ = on_first_use(__name__, _HOMES)
