"""The data-parallel step: each process computes a part of every batch, and all take the step of the whole batch."""

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

from callbacks.order import DATA_PARALLEL
from callbacks.parallel.processes import Processes
from callbacks.training.norm_layers import norm_statistics


class ParallelPass:
    """The forward pass of a model in training; its backward pass computes the gradients of the whole batch.

    Args:
        processes: processes that train together.
        model: model whose parameters receive the gradients.

    Attributes:
        weight: weight of this process's gradients in the mean over the N processes:
            N · (images of this process) / (images of the batch). It is 1 if all processes have equally many images.
    """

    def __init__(self, processes: Processes, model: nn.Module) -> None:
        self.model, self.weight = processes.parallel(model), 1.0

    def __call__(self, *xb: Tensor) -> Tensor:
        weight, logits = self.weight, self.model(*xb)  # logits N×C
        if weight != 1:
            logits.register_hook(lambda gradient: gradient * weight)
        return logits


class DataParallel(Callback):
    """Splits each batch of a fit between the processes, and gathers the results for the other callbacks.

    At `after_batch` the learner's predictions, targets and loss are those of the whole batch, in its order, in every
    process. Each image counts once, also if the batch cannot be split evenly. Norm layers normalise with the statistics
    of the process's own images; their running statistics are averaged over the processes after each backward pass, so
    that all processes hold the same model.

    Args:
        processes: processes that train together.
    """

    order, shapes_step = DATA_PARALLEL, False

    def __init__(self, processes: Processes) -> None:
        self.processes = processes

    def before_fit(self) -> None:
        self.learn.parallel = ParallelPass(self.processes, self.model)
        for loader in self.dls.loaders:
            loader.share = self.processes.share

    def before_batch(self) -> None:
        self.sizes: list[int] = []
        self.passed = False
        if share := getattr(self.dl, "share", None):  # copies of a loader have no share and load whole batches
            self.sizes = share.sizes(self.dl.images_of(self.iter))
            self.learn.parallel.weight = share.count * self.sizes[share.rank] / sum(self.sizes)

    def after_backward(self) -> None:
        self._average(norm_statistics(self.model))  # not earlier: the backward pass needs the unchanged tensors

    def _average(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, with one communication for all."""
        if tensors:
            flat = self.processes.sum(torch.cat([t.flatten() for t in tensors])) / self.processes.share.count
            for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(mean.view_as(tensor))

    def after_loss(self) -> None:
        self.passed = True

    def after_batch(self) -> None:
        if not (self.sizes and self.passed):
            return
        self.learn.pred = self.processes.rows(self.pred.detach(), self.sizes)
        self.learn.yb = tuple(self.processes.rows(target, self.sizes) for target in self.yb)
        if self.yb:
            mine, n = self.sizes[self.processes.share.rank], sum(self.sizes)
            self.learn.loss = self.processes.sum(self.learn.loss.detach() * mine) / n

    def after_fit(self) -> None:
        self.learn.parallel = None
        self.processes.release()
        for loader in self.dls.loaders:
            loader.share = None

    def after_cancel_fit(self) -> None:
        self.after_fit()
