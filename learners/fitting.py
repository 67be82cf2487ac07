"""fastai's `fit` and `validate`, which leave the learner and its callbacks in order however they end."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, TypeAlias

import fastai.callback.channelslast  # gives learners `to_channelslast`, `to_fp16` and their counterparts
import fastai.callback.hook  # gives them `summary`
import fastai.callback.progress  # noqa: F401  gives them `no_bar`
from fastai.callback.core import Callback
from fastcore.foundation import L
from fastcore.xtras import ContextManagers
from torch import Tensor

from callbacks.lr_find.preserve import autocast_preserved
from callbacks.training.finite_loss import FiniteLoss
from data.common.errors import TrainingError
from learners.out_of_memory import naming_memory
from learners.recipe_check import check_images
from learners.step import StepLearner

log = logging.getLogger(__name__)

Callbacks: TypeAlias = Callback | type[Callback] | list[Callback | type[Callback]] | None  # one or several


def no_rows(row: list) -> None:
    """The logger of a learner: nothing, because `RichProgress` tells each row on stderr."""


class FitLearner(StepLearner):
    """A `Learner` whose fits have fastai's arguments and clean up after any exception.

    Args:
        args, kwargs: of fastai's `Learner`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = no_rows
        self.callbacks_began = False  # `before_fit` was fired, and neither the end of the fit nor `after_cancel_fit`
        self.validation_cut = False  # a callback ended the last validation within it

    def fit(
        self,
        n_epoch: int,
        lr: float | slice | None = None,
        wd: float | None = None,
        cbs: Callbacks = None,
        reset_opt: bool = False,
        start_epoch: int = 0,
    ) -> None:
        """fastai's `fit`, which `fit_one_cycle` and the others call.

        Beyond fastai's, a loss that is not finite ends it; `wd` holds for this fit only; and callbacks get
        `after_cancel_fit` after any exception, so that they can put back what they changed.

        Args:
            n_epoch: epochs that the schedule is for.
            lr: the rate, or a slice over the groups of parameters; by default that of the learner.
            wd: the weight decay of all groups; by default each keeps its own.
            cbs: callbacks for this fit.
            reset_opt: begin with a new optimizer.
            start_epoch: skip the epochs before it.

        Raises:
            TrainingError: the loss is not finite, memory ran out, or a callback refuses this learner.
            LearnerError: there are no images to train on.
        """
        check_images(self.dls)
        if reset_opt or not self.opt:
            self.create_opt()
        with self._with_callbacks([FiniteLoss(), *L(cbs)]), self._cleaned_up(), self._own_decay(wd):
            super().fit(n_epoch, lr, wd, None, False, start_epoch)

    def validation_context(self, cbs: Callbacks = None, inner: bool = False) -> AbstractContextManager:
        """fastai's context of `validate` and `get_preds`, in which callbacks that are contexts are entered."""
        contexts = [self.lock, self._with_callbacks(cbs), self.no_logging(), self.no_mbar()]
        return ContextManagers(contexts if inner else [*contexts, self])

    def get_preds(self, *args: Any, **kwargs: Any) -> Any:
        """fastai's.

        Raises:
            TrainingError: a callback ended it before the last image.
        """
        self.validation_cut = False
        try:
            found = super().get_preds(*args, **kwargs)
        except IndexError:  # where fastai puts predictions that are too few into the order of the images
            if not self.validation_cut:
                raise
        if self.validation_cut:
            raise TrainingError(
                "a callback ended get_preds before the last image, as ShortEpochCallback does; leave it out: "
                "with learn.removed_cbs(cb): learn.get_preds()"
            )
        return found

    @contextmanager
    def no_bar(self) -> Iterator["FitLearner"]:
        """fastai's: within it a fit shows neither bar nor lines."""
        with super().no_bar(), self.no_mbar(), self.no_logging():
            yield self

    @property
    def smooth_loss(self) -> Tensor:
        """The average of the training loss as of the last step; reading it waits for the device.

        Raises:
            AttributeError: no step was taken yet.
        """
        value = self.recorder.smooth_loss.value
        if value is None:
            raise AttributeError("smooth_loss: no step was taken yet; call fit first")
        return value

    @smooth_loss.setter
    def smooth_loss(self, value: Tensor) -> None:
        """A recorder assigns what it holds itself, and is asked for it."""

    @contextmanager
    def _with_callbacks(self, cbs: Callbacks) -> Iterator[None]:
        """In this context the learner has `cbs` too, and all callbacks that are context managers are entered."""
        with ExitStack() as stack:
            stack.enter_context(naming_conditions())
            stack.enter_context(self.added_cbs(cbs))
            for cb in list(self.cbs):
                if isinstance(cb, AbstractContextManager):
                    stack.enter_context(cb)
            yield

    @contextmanager
    def _cleaned_up(self) -> Iterator[None]:
        """After any exception callbacks get `after_cancel_fit` once, and the logger is the one before."""
        logger, self.callbacks_began = self.logger, False
        try:
            with naming_memory(self.dls.train.bs), autocast_preserved():
                yield
        except BaseException:
            if self.callbacks_began:
                self._cancel()
            self.logger = logger
            raise
        finally:
            self.first_epoch = 0

    def _epoch_event(self, event_name: str) -> None:
        if event_name in ("before_fit", "after_cancel_fit"):
            self.callbacks_began = event_name == "before_fit"
        if event_name in ("before_validate", "after_cancel_validate"):
            self.validation_cut = event_name == "after_cancel_validate"
        super()._epoch_event(event_name)

    def _cancel(self) -> None:
        """`after_cancel_fit` for each callback, whatever the others do; the error that ended the fit is not hidden."""
        for cb in self.cbs.sorted("order"):
            try:
                cb("after_cancel_fit")
            except Exception as error:  # noqa: BLE001  the first error is the one to raise
                log.warning("the callback %s failed to clean up after the fit: %s", cb, error)

    @contextmanager
    def _own_decay(self, wd: float | None) -> Iterator[None]:
        """After a fit with the weight decay `wd` each group of parameters has the one that it had before."""
        if wd is None and self.wd is None:
            yield
            return
        before = [hyper["wd"] for hyper in self.opt.hypers]
        try:
            yield
        finally:
            self.opt.set_hyper("wd", before)


@contextmanager
def naming_conditions() -> Iterator[None]:
    """Tell which condition of a callback does not hold.

    fastai's callbacks assert conditions, as that the monitored metric exists or that there is a GPU. Most have no
    message, and fastai turns any error without a message into an IndexError that says nothing.

    Raises:
        TrainingError: the condition, in the callback's words or as it has it in its source.
    """
    try:
        yield
    except (AssertionError, IndexError) as error:
        calls = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
        silent = isinstance(error, IndexError) and calls[-1] is Callback.__call__.__code__
        if silent and error.__context__ is not None:
            cause = error.__context__
            *_, at = traceback.extract_tb(cause.__traceback__)
            condition = f"{type(cause).__name__} at `{at.line}` ({at.filename}, line {at.lineno})"
        elif isinstance(error, AssertionError) and Callback.__call__.__code__ in calls:
            condition = " ".join(str(error).split("\n\t")[-1].split())  # fastai puts two lines before it
        else:
            raise
        raise TrainingError(
            f"a callback cannot work here: {condition}; give the learner what it asks for, or leave the callback out"
        ) from (error.__context__ or error)
