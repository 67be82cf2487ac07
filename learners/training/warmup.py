"""Compile the model and let the device choose its kernels before the time of a run is measured."""

from time import perf_counter
from typing import TYPE_CHECKING

import torch

from learners.device import autocast
from learners.training.cuda_graph import trusted_graph
from learners.training.single_image import naming_single_image

if TYPE_CHECKING:
    from learners.learner import ImageLearner

WARMUP_STEPS = 3  # number of training steps, and of validation steps for each batch size
GRAPH_DEVICES = ("cuda",)  # types of devices on which CUDA graphs are used


def warm_up(learn: "ImageLearner") -> float:
    """Train and validate on blank batches, then restore the weights and norm statistics.

    On a GPU this sets `learn.graphed` to the CUDA graph of the model, if the recipe asks for it and `trusted_graph`
    returns one.

    Returns:
        Seconds spent, including compilation; 0 on a CPU without `compile`, which needs no warm-up.
    """
    device = learn.dls.device.type
    alone = learn.processes is None  # several processes exchange gradients within a pass, which cannot be captured
    graph = learn.plan.graph and device in GRAPH_DEVICES and alone
    if device == "cpu" and not (learn.plan.compile or graph):
        return 0.0
    started = perf_counter()
    before = {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}
    if learn.plan.compile:
        learn.model.compile()
    n_valid, bs = len(learn.dls.valid.dataset), learn.dls.valid.bs
    for _ in range(WARMUP_STEPS):
        _blank_step(learn, learn.dls.train.bs, training=True)
        for n in {min(bs, n_valid), n_valid % bs} - {0}:
            _blank_step(learn, n, training=False)
    learn.graphed = trusted_graph(learn) if graph else None
    learn.model.load_state_dict(before)
    learn.model.zero_grad()
    if device == "cuda":
        torch.cuda.synchronize()
    return perf_counter() - started


def _blank_step(learn: "ImageLearner", n: int, training: bool) -> None:
    """Run one step on n black images in the form that the loader yields: N×3×H×W, channels-last."""
    size, device = learn.plan.size, learn.dls.device
    x = torch.zeros(n, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    y = torch.zeros(n, dtype=torch.long, device=device)
    learn.model.train(training)
    with torch.set_grad_enabled(training), autocast(device), naming_single_image():
        loss = learn.loss_func(learn.model(x), y)
    if training:
        loss.backward()
