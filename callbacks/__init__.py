"""Training callbacks, the checkpoint, the learning-rate finder and Grad-CAM.

A callback can use four features by defining methods or attributes:

- `state_dict()` and `load_state_dict(state)`: the checkpoint stores the state (tensors and plain values) and restores
  it after the callback's `before_epoch`. Callbacks that the user passed to the learner and that have neither method
  keep their plain attributes: numbers, text, None, tensors, arrays, and lists, tuples and dicts of these.
- `before_checkpoint()`: is called before a checkpoint is written. If it raises a `TrainingError`, the previous
  checkpoint stays.
- `__enter__()` and `__exit__()`: the callback is a context manager that is entered around each fit and each validation.
- `shapes_step = True` or `False`: whether a copy of the callback takes part in the steps of the learning-rate finder.
  By default it does unless it defines `after_batch` or `after_epoch`; see `joins` in
  callbacks/lr_find/finder_learner.py.

Callbacks get `after_cancel_fit` after any exception in a fit; fastai fires it for `CancelFitException` alone.

A callback may draw numbers from the global random generators, which `fit_recipe` seeds again for each training step.
callbacks/order.py lists the order in which callbacks receive an event.
"""

from typing import TYPE_CHECKING

from data.common.public import on_first_use

if TYPE_CHECKING:
    from callbacks.gradcam.callback import GradCAMCallback
    from callbacks.gradcam.interpretation import GradCAMInterpretation
    from callbacks.gradcam.maps import grad_cam

_MODULES = {
    "GradCAMCallback": "gradcam.callback",
    "GradCAMInterpretation": "gradcam.interpretation",
    "grad_cam": "gradcam.maps",
}
__all__ = ["GradCAMCallback", "GradCAMInterpretation", "grad_cam"]
__getattr__, __dir__ = on_first_use(__name__, _MODULES)
