"""A twin of a learner: it steps like the original and shares neither weights nor optimizer nor callbacks with it."""

from copy import copy, deepcopy
from itertools import chain

from fastai.callback.channelslast import ChannelsLast
from fastai.callback.core import Callback, TrainEvalCallback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.mixup import MixHandler
from fastai.callback.rnn import ModelResetter, RNNCallback, RNNRegularizer
from fastai.callback.training import BnFreeze, GradientClip
from fastai.learner import CastToTensor, Learner
from fastcore.foundation import L
from torch import Tensor, nn

# The callbacks that are part of a training step. Those that only watch it (recorders, trackers, loggers) stay out.
STEP_CALLBACKS = (
    *(TrainEvalCallback, CastToTensor, ChannelsLast, MixedPrecision, GradientClip, BnFreeze, MixHandler),
    *(ModelResetter, RNNCallback, RNNRegularizer),
)


def twin_of(learn: Learner) -> Learner:
    """A learner that steps like `learn`, on copies of its model, loss, optimizer and step callbacks.

    What the twin does never reaches the original, however it ends, except through what they share: the loaders and
    the global random states (see `preserve`). A callback takes part if it is one of `STEP_CALLBACKS` or has an
    attribute `shapes_step = True`.
    """
    twin = copy(learn)
    memo = {id(learn): twin, id(learn.dls): learn.dls} | _computed_tensors(learn.model)
    for name in ("model", "loss_func", "opt", "opt_func"):  # one memo: the optimizer's parameters are the model's
        setattr(twin, name, deepcopy(getattr(learn, name), memo))
    twin.cbs = L(deepcopy(cb, memo) for cb in learn.cbs if _shapes_step(cb))
    for cb in twin.cbs:
        setattr(twin, cb.name, cb)
    if twin.opt is None:
        twin.create_opt()
    if twin.wd is not None:  # as `Learner.fit` does
        twin.opt.set_hypers(wd=twin.wd)
    return twin


def _shapes_step(cb: Callback) -> bool:
    return isinstance(cb, STEP_CALLBACKS) or getattr(cb, "shapes_step", False)


def _computed_tensors(model: nn.Module) -> dict[int, Tensor]:
    """Copies of the tensors that modules computed and kept, as weight normalisation does: `deepcopy` refuses those."""
    kept = chain.from_iterable(vars(module).values() for module in model.modules())
    return {id(t): t.detach().clone() for t in kept if isinstance(t, Tensor) and not t.is_leaf}
