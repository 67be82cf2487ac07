"""A twin of a learner: it steps like the original and shares neither weights nor optimizer nor callbacks with it."""

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
    """A learner that steps like `learn`, on copies of its model, loss, optimizer and the callbacks that `joins` admits.

    What the twin does never reaches the original, however it ends, except through what they share: the loaders and
    the global random states (see `preserve`).
    """
    finder_learner = copy(learn)
    memo = {id(learn): finder_learner, id(learn.dls): learn.dls} | _computed_tensors(learn.model)
    for name in ("model", "loss_func", "opt", "opt_func"):  # one memo: the optimizer's parameters are the model's
        setattr(finder_learner, name, deepcopy(getattr(learn, name), memo))
    finder_learner.cbs = L(deepcopy(cb, memo) for cb in learn.cbs if joins(cb))
    for cb in finder_learner.cbs:
        setattr(finder_learner, cb.name, cb)
    if finder_learner.opt is None:
        finder_learner.create_opt()
    if finder_learner.wd is not None:  # as `Learner.fit` does
        finder_learner.opt.set_hypers(wd=finder_learner.wd)
    return finder_learner


def joins(cb: Callback) -> bool:
    """Whether a callback takes part in the steps of the finder, because it shapes them; it tells by what it defines.

    Callbacks that look at results define `after_batch` or `after_epoch`: recorders, trackers, progress, loggers. Those
    that define `before_fit` and `after_fit` and nothing else keep something open for a fit, as a file. All others join.
    `shapes_step = True` or `False` on the callback overrules this.
    """
    told = getattr(cb, "shapes_step", None)
    if told is not None:
        return told
    defined = {name for name in EVENTS if hasattr(cb, name)}
    return bool(defined) and not defined & RESULT_EVENTS and defined != FIT_START_AND_END


def _computed_tensors(model: nn.Module) -> dict[int, Tensor]:
    """Copies of the tensors that modules computed and kept, as weight normalisation does: `deepcopy` refuses those."""
    kept = chain.from_iterable(vars(module).values() for module in model.modules())
    return {id(t): t.detach().clone() for t in kept if isinstance(t, Tensor) and not t.is_leaf}
