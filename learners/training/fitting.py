"""fastai's `fit` and `validate`, which clean up the learner and its callbacks after any exception."""

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
from learners.training.out_of_memory import naming_memory
from learners.training.recipe_check import check_images
from learners.training.step import StepLearner

log = logging.getLogger(__name__)

Callbacks: TypeAlias = Callback | type[Callback] | list[Callback | type[Callback]] | None  # one or several


def no_rows(row: list) -> None:
    """Print nothing: the logger of a learner, because `RichProgress` prints each row to stderr."""


class FitLearner(StepLearner):
    """A `Learner` whose `fit` has fastai's arguments and cleans up after any exception.

    Args:
        args, kwargs: arguments of fastai's `Learner`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = no_rows
        self.callbacks_began = False  # whether callbacks got `before_fit` but not yet `after_cancel_fit`
        self.validation_cut = False  # whether a callback ended the last validation before its last batch

    def fit(
        self,
        n_epoch: int,
        lr: float | slice | None = None,
        wd: float | None = None,
        cbs: Callbacks = None,
        reset_opt: bool = False,
        start_epoch: int = 0,
    ) -> None:
        """Train as fastai's `fit` does; `fit_one_cycle` and the other methods that train call this one.

        Unlike fastai's, it stops at a loss that is not finite; `wd` applies to this fit only; and callbacks get
        `after_cancel_fit` after any exception, so that they can undo their changes.

        Args:
            n_epoch: number of epochs, including those before `start_epoch`.
            lr: the learning rate, or a slice over the parameter groups; by default that of the learner.
            wd: the weight decay of all groups; by default each group keeps its own.
            cbs: callbacks for this fit.
            reset_opt: create a new optimizer first.
            start_epoch: first epoch to train.

        Raises:
            TrainingError: the loss is not finite, memory ran out, or a condition of a callback does not hold.
            LearnerError: there are no images to train on.
        """
        check_images(self.dls)
        if reset_opt or not self.opt:
            self.create_opt()
        with self._with_callbacks([FiniteLoss(), *L(cbs)]), self._cleaned_up(), self._own_decay(wd):
            super().fit(n_epoch, lr, wd, None, False, start_epoch)

    def validation_context(self, cbs: Callbacks = None, inner: bool = False) -> AbstractContextManager:
        """Return the context of `validate` and `get_preds`; it also enters callbacks that are context managers."""
        contexts = [self.lock, self._with_callbacks(cbs), self.no_logging(), self.no_mbar()]
        return ContextManagers(contexts if inner else [*contexts, self])

    def get_preds(self, *args: Any, **kwargs: Any) -> Any:
        """Return predictions and targets as fastai does.

        Raises:
            TrainingError: a callback ended the validation before the last image.
        """
        self.validation_cut = False
        try:
            predictions = super().get_preds(*args, **kwargs)
        except IndexError:  # fastai fails to sort predictions when there are fewer than images
            if not self.validation_cut:
                raise
        if self.validation_cut:
            raise TrainingError(
                "a callback ended get_preds before the last image, as ShortEpochCallback does; leave it out: "
                "with learn.removed_cbs(cb): learn.get_preds()"
            )
        return predictions

    @contextmanager
    def no_bar(self) -> Iterator["FitLearner"]:
        """In this context a fit shows neither a progress bar nor lines."""
        with super().no_bar(), self.no_mbar(), self.no_logging():
            yield self

    @property
    def smooth_loss(self) -> Tensor:
        """The smoothed training loss after the last step; reading it waits for the device.

        Raises:
            AttributeError: nothing was trained yet.
        """
        value = self.recorder.smooth_loss.value
        if value is None:
            raise AttributeError("smooth_loss: nothing was trained yet; call fit first")
        return value

    @smooth_loss.setter
    def smooth_loss(self, value: Tensor) -> None:
        """Ignore the value that a recorder assigns, because the property reads it from the recorder."""

    @contextmanager
    def _with_callbacks(self, cbs: Callbacks) -> Iterator[None]:
        """In this context the learner also has `cbs`, and all callbacks that are context managers are entered."""
        with ExitStack() as stack:
            stack.enter_context(naming_conditions())
            stack.enter_context(self.added_cbs(cbs))
            for cb in list(self.cbs):
                if isinstance(cb, AbstractContextManager):
                    stack.enter_context(cb)
            yield

    @contextmanager
    def _cleaned_up(self) -> Iterator[None]:
        """After an exception in this context, fire `after_cancel_fit` once and restore the logger."""
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
        """Fire `after_cancel_fit` for every callback; errors are logged, so that the error of the fit is raised."""
        for cb in self.cbs.sorted("order"):
            try:
                cb("after_cancel_fit")
            except Exception as error:  # noqa: BLE001  the error that ended the fit is the one to raise
                log.warning("the callback %s failed to clean up after the fit: %s", cb, error)

    @contextmanager
    def _own_decay(self, wd: float | None) -> Iterator[None]:
        """Restore the weight decay of each parameter group after a fit with the weight decay `wd`."""
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
    """In this context a failed condition of a callback becomes an error that names the condition.

    fastai's callbacks assert conditions, for example that the monitored metric exists or that there is a GPU. Most
    assertions have no message, and fastai turns any error without a message into an IndexError without information.

    Raises:
        TrainingError: a condition does not hold; the message quotes the callback's message or its source line.
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
            f"a callback cannot run with this learner: {condition}; meet that condition, or leave the callback out"
        ) from (error.__context__ or error)
