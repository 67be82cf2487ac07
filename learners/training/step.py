"""A training step with fastai's events and less Python overhead per step."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from fastai.callback.core import (
    Callback,
    CancelBackwardException,
    CancelBatchException,
    CancelEpochException,
    CancelStepException,
)
from fastai.learner import Learner
from fastai.torch_core import to_device
from torch import Tensor

from callbacks.parallel.data_parallel import ParallelPass
from learners.device import autocast
from learners.training.cuda_graph import GraphedModel
from learners.training.single_image import naming_single_image

log = logging.getLogger(__name__)

STEP_EVENTS = (
    *("before_batch", "after_pred", "after_loss", "before_backward", "after_cancel_backward", "after_backward"),
    *("before_step", "after_cancel_step", "after_step", "after_cancel_batch", "after_batch"),
)
EPOCH_EVENTS = ("before_epoch", "after_cancel_epoch", "after_epoch")


class StepLearner(Learner):
    """A fastai `Learner` whose step fires the same events in the same order, with less overhead.

    The model, the loss and the metrics get plain tensors, because each operation on one of fastai's tensor types takes
    several Python calls. The forward pass runs in the fastest precision of the device; fastai's own callback for that
    works with CUDA only and stays on after an interrupt. Only public methods of fastai are overridden.

    Attributes:
        first_epoch: first epoch of the next fit. Callbacks get no events of earlier epochs; with fastai's
            `start_epoch` they would.
    """

    first_epoch = 0
    graphed: GraphedModel | None = None  # the model's training pass as CUDA graphs
    parallel: ParallelPass | None = None  # the model's training pass when several processes share a batch
    # The callbacks, and for each event of a step the callbacks that define it.
    _listeners: tuple[list[Callback], dict[str, list[Callback]]] | None = None

    def one_batch(self, i: int, b: tuple) -> None:
        """Train or validate on batch `b`.

        Args:
            i: index of the batch in its epoch.
            b: inputs and targets.
        """
        self.iter = i
        self.xb, self.yb = self._inputs_and_targets(b)
        try:
            self("before_batch")
            self._forward()
            if self.training and self.yb:
                self._update()
        except CancelBatchException:
            self("after_cancel_batch")
        self("after_batch")

    def _inputs_and_targets(self, batch: tuple) -> tuple[tuple, tuple]:
        """Return the inputs and the targets of a batch as plain tensors on the model's device."""
        n_inputs = getattr(self.dls, "n_inp", max(1, len(batch) - 1))
        device = next(self.model.parameters()).device
        batch = tuple(_plain(part, device) for part in batch)
        return batch[:n_inputs], batch[n_inputs:]

    def _forward(self) -> None:
        with self.precision_context(), naming_single_image():
            self.pred = self._training_pass()(*self.xb)
            self("after_pred")
            if self.yb:
                self.loss_grad = self.loss_func(self.pred, *self.yb)
                self.loss = self.loss_grad.detach().clone()  # callbacks change `loss_grad` in place
            self("after_loss")

    def precision_context(self) -> AbstractContextManager:
        """Return the autocast context of the forward pass; an empty one if a callback has enabled autocast."""
        device = self.xb[0].device
        return nullcontext() if torch.is_autocast_enabled(device.type) else autocast(device)

    def _training_pass(self) -> Callable:
        """Return the model, or in training the object that runs it: the parallel pass or the CUDA graph."""
        if self.parallel is not None and self.training:
            return self.parallel
        if self.graphed is None or not self.training:
            return self.model
        obstacle = self.graphed.obstacle(self.model, self.xb, thorough=self.iter == 0)
        if obstacle is None:
            return self.graphed
        self.graphed = None
        log.warning("no CUDA graph from epoch %d, step %d on: %s", self.epoch, self.iter, obstacle)
        return self.model

    def _update(self) -> None:
        try:
            self("before_backward")
            self.loss_grad.backward()
        except CancelBackwardException:
            self("after_cancel_backward")
        self("after_backward")
        try:
            self("before_step")
            self.opt.step()
        except CancelStepException:
            self("after_cancel_step")
        self("after_step")
        self.opt.zero_grad()

    def __call__(self, event_name: str) -> None:
        """Fire an event; for the events of a step only those callbacks are called that define the event."""
        if event_name not in STEP_EVENTS:
            self._listeners = None
            self._epoch_event(event_name)
            return
        if self._listeners is None or self._listeners[0] != list(self.cbs):
            self._listeners = list(self.cbs), {event: self.ordered_cbs(event) for event in STEP_EVENTS}
        for cb in self._listeners[1][event_name]:
            cb(event_name)

    def _epoch_event(self, event_name: str) -> None:
        """Fire an event that is not an event of a step, unless it belongs to an epoch before `first_epoch`."""
        if event_name not in EPOCH_EVENTS or self.epoch >= self.first_epoch:
            super().__call__(event_name)
        elif event_name == "before_epoch":
            raise CancelEpochException

    def all_batches(self) -> None:
        """Train or validate on all batches; if the loader starts within the epoch, so does the batch index."""
        self.n_iter = len(self.dl)
        for i, batch in enumerate(self.dl, getattr(self.dl, "start", 0)):
            self.one_batch(i, batch)


def _plain(part: Any, device: torch.device) -> Any:
    if isinstance(part, Tensor):
        return part.as_subclass(Tensor).to(device)
    return to_device(part, device)
