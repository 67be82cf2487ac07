"""The learner that the finder trains: a copy that shares no weights, optimizer or callbacks with the original."""

from copy import copy, deepcopy
from itertools import chain

from fastai.callback.core import Callback, event
from fastai.learner import Learner
from fastcore.foundation import L
from torch import Tensor, nn

EVENTS = tuple(name for name in vars(event) if not name.startswith("_"))
RESULT_EVENTS = {"after_batch", "after_epoch"}
FIT_START_AND_END = {"before_fit", "after_fit"}


def finder_learner_of(learn: Learner) -> Learner:
    """Return a learner whose steps are those of `learn`, with copies of its model, loss, optimizer and callbacks.

    Only the callbacks for which `joins` is true are copied. Training the copy changes nothing of `learn` except the
    loaders, which both share, and the global random states (see preserve.py).
    """
    clone = copy(learn)
    memo = {id(learn): clone, id(learn.dls): learn.dls} | _computed_tensors(learn.model)
    for name in ("model", "loss_func", "opt", "opt_func"):  # one memo: the optimizer's parameters are the model's
        setattr(clone, name, deepcopy(getattr(learn, name), memo))
    clone.cbs = L(deepcopy(cb, memo) for cb in learn.cbs if joins(cb))
    for cb in clone.cbs:
        setattr(clone, cb.name, cb)
    if clone.opt is None:
        clone.create_opt()
    if clone.wd is not None:  # `Learner.fit` also sets it after making the optimizer
        clone.opt.set_hypers(wd=clone.wd)
    return clone


def joins(cb: Callback) -> bool:
    """Return whether a callback takes part in the steps of the finder because it may change them.

    The attribute `shapes_step` of the callback decides. Without it, callbacks with `after_batch` or `after_epoch` do
    not take part, because they process results: recorders, trackers, progress displays, loggers. Callbacks with only
    `before_fit` and `after_fit` do not either, because they hold a resource, such as a file, during a fit. All others
    take part.
    """
    shapes_step = getattr(cb, "shapes_step", None)
    if shapes_step is not None:
        return shapes_step
    defined = {name for name in EVENTS if hasattr(cb, name)}
    return bool(defined) and not defined & RESULT_EVENTS and defined != FIT_START_AND_END


def _computed_tensors(model: nn.Module) -> dict[int, Tensor]:
    """Return copies, by id, of the computed tensors that modules keep, such as those of weight normalisation.

    `deepcopy` takes them from here, because it cannot copy tensors that are not leaves.
    """
    kept = chain.from_iterable(vars(module).values() for module in model.modules())
    return {id(t): t.detach().clone() for t in kept if isinstance(t, Tensor) and not t.is_leaf}
