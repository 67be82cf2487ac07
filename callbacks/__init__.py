"""What takes part in training or looks at a model: callbacks, the checkpoint, the learning-rate finder, Grad-CAM.

Any callback can take part in four things, by what it defines:

- A checkpoint keeps its state: `state_dict()` returns tensors and plain values, `load_state_dict(state)` restores them
  after the callback's `before_epoch`. Of a callback of the session that has neither, the plain part of its attributes
  is kept: numbers, text, None, tensors, arrays, and lists, tuples and dicts of such.
- It is asked before a checkpoint is written: `before_checkpoint()` may raise a `TrainingError`, and the file stays.
- It is entered around each fit and each validation: it is a context manager, with `__enter__` and `__exit__`.
- It joins the steps of the learning-rate finder, as a copy, unless it looks at results in `after_batch` or
  `after_epoch`; `shapes_step = True` or `False` overrules that, see `joins` in callbacks/lr_find/finder_learner.py.

Callbacks get `after_cancel_fit` after any exception in a fit; fastai fires it for `CancelFitException` alone.

A callback may draw from the global random generators: `fit_recipe` seeds them anew for each training step.
callbacks/order.py lists in which order callbacks see an event.
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
