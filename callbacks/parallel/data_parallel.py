"""Each process takes its part of every batch; together they do the step of the whole batch."""

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

from callbacks.order import DATA_PARALLEL
from callbacks.parallel.processes import Processes
from callbacks.training.norm_layers import norm_statistics


class ParallelPass:
    """The training pass of a model whose gradients become those of the mean over the whole batch.

    Args:
        processes: that train together.
        model: its parameters get the gradients.

    Attributes:
        weight: of this process's gradients in the mean over the processes. It is 1 where all have as many images, and
            N·(images here)/(images of the batch) for N processes otherwise.
    """

    def __init__(self, processes: Processes, model: nn.Module) -> None:
        self.model, self.weight = processes.parallel(model), 1.0

    def __call__(self, *xb: Tensor) -> Tensor:
        weight, logits = self.weight, self.model(*xb)  # logits N×C
        if weight != 1:
            logits.register_hook(lambda gradient: gradient * weight)
        return logits


class DataParallel(Callback):
    """Shares the batches of a fit between processes, and shows every callback the whole batch's results.

    At `after_batch` the learner's predictions, targets and loss are those of all images of the batch, in its order, in
    every process: each image counts once, whatever their number. Norm layers normalise with the part of the batch that
    the process has; their running statistics are averaged over the processes after each backward pass, so that all
    processes hold one model.

    Args:
        processes: that train together.
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
        if share := getattr(self.dl, "share", None):  # a copy of a loader has none, and gives all images
            self.sizes = share.sizes(self.dl.images_of(self.iter))
            self.learn.parallel.weight = share.count * self.sizes[share.rank] / sum(self.sizes)

    def after_backward(self) -> None:
        self._average(norm_statistics(self.model))  # not before: the backward pass needs the tensors as they were

    def _average(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, in one exchange."""
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
