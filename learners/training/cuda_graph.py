"""Run the training pass of a model as two CUDA graphs: one launch forward and one backward instead of several hundred.

Only the model's own operations are replayed. The rest of a step (batch, loss, optimizer, weight average, callbacks)
runs eagerly, so that every callback gets every event. Before each step the conditions of a replay are checked; if one
no longer holds, the model runs eagerly from then on.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from learners.device import autocast, precision
from learners.upstream import hook_dicts

if TYPE_CHECKING:
    from learners.learner import ImageLearner

log = logging.getLogger(__name__)

Pass = Callable[[Tensor], Tensor]  # from images N×C×H×W to logits N×classes
Capture = Callable[[nn.Module, Tensor], Pass]

# Largest relative error of the gradients: rounding to bf16 makes 4e-3, replaying a wrong batch makes about 1.
MAX_GRADIENT_ERROR = 1e-2
TRIAL_BATCHES = 2  # batches that are compared; with one alone a replay that ignores its input would not be noticed


def capture_on_cuda(model: nn.Module, sample: Tensor) -> Pass:
    """Return the model's forward and backward pass as CUDA graphs.

    Args:
        model: the model, in training mode.
        sample: a batch N×C×H×W of the shape of the training batches.
    """
    bf16 = precision(sample.device) == "bf16"
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
        graphed = torch.cuda.make_graphed_callables(_Pass(model), (sample,), allow_unused_input=True)
    # The nodes that add up gradients belong to the stream of the capture. An eager step, as with the smaller last batch
    # of an epoch, waits for that stream, which is correct, but torch warns about it.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    return graphed  # type: ignore[return-value]  # torch types the module as any callable


class _Pass(nn.Module):
    """A wrapper of the model, because torch replaces the `forward` of the module that it captures."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class GraphedModel:
    """The captured training pass of a model, for batches of one shape.

    Args:
        model: the model, in training mode. Capturing updates its norm statistics with `sample`.
        sample: a batch N×C×H×W of any values.
        capture: function that captures the pass and returns the function that replays it.
    """

    def __init__(self, model: nn.Module, sample: Tensor, capture: Capture) -> None:
        self.model, self.shape = model, sample.shape
        self.modules, self.params, self.hooks = list(model.modules()), list(model.parameters()), hook_dicts(model)
        self.state_at_capture = self._module_state()
        self.replay = capture(model, sample)

    def _module_state(self) -> tuple:
        """Return the mode of each module, and the address and `requires_grad` of each parameter."""
        return [m.training for m in self.modules], [(p.data_ptr(), p.requires_grad) for p in self.params]

    def obstacle(self, model: nn.Module, xb: tuple, thorough: bool) -> str | None:
        """Return why a replay cannot replace `model(*xb)`, or None if it can.

        Args:
            model: the model of the learner.
            xb: the inputs of the batch.
            thorough: also check for replaced layers, which takes as long as all other checks together.
        """
        if len(xb) != 1 or xb[0].shape != self.shape:
            return "a batch has another shape"
        if any(self.hooks):
            return "a module of the model has a new hook, which a replay would not call"
        if model is not self.model or self._module_state() != self.state_at_capture:
            return "the model is in another mode, or layers were frozen or replaced"
        if thorough and list(model.modules()) != self.modules:
            return "layers were replaced"
        return None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the logits of a batch, N×classes.

        A replay reuses the memory of the logits and gradients of the last one. Both are cloned, so that callers may
        keep them.
        """
        for param in self.params:
            if param.grad is not None:  # gradients are being accumulated over several steps
                param.grad = param.grad.clone()
        return self.replay(x).clone()


def trusted_graph(learn: "ImageLearner", capture: Capture | None = None) -> GraphedModel | None:
    """Return the graph of `learn.model` if its gradients equal those of an eager step; else None, with a log line.

    The norm statistics of the model change.

    Args:
        learn: the learner.
        capture: see `GraphedModel`; by default `capture_on_cuda`.
    """
    try:
        graphed, obstacle = _captured_and_compared(learn, capture or capture_on_cuda)
    except (RuntimeError, AssertionError) as error:  # errors of CUDA, such as no memory, and of torch's checks
        graphed, obstacle = None, f"it could not be captured ({str(error).splitlines()[0]})"
    if obstacle:
        log.warning("no CUDA graph, every step runs eagerly: %s", obstacle)
    return None if obstacle else graphed


def _captured_and_compared(learn: "ImageLearner", capture: Capture) -> tuple[GraphedModel | None, str | None]:
    learn.model.train()
    if learn.plan.compile:
        return None, "the model is compiled"
    if any(hook_dicts(learn.model)):
        return None, "a module of the model has a hook, which a replay would not call"
    graphed = GraphedModel(learn.model, noise_batch(learn, seed=0)[0], capture)
    error = max(gradient_error(learn, graphed, *noise_batch(learn, seed)) for seed in range(1, 1 + TRIAL_BATCHES))
    if not error <= MAX_GRADIENT_ERROR:  # also for NaN
        return None, f"its gradients differ from the eager step's by {error:.2g} of their norm"
    return graphed, None


def noise_batch(learn: "ImageLearner", seed: int) -> tuple[Tensor, Tensor]:
    """Return random images N×3×H×W, channels-last, and random targets N, with the shape of the training batches."""
    generator = torch.Generator().manual_seed(seed)
    n, size, device = learn.dls.train.bs, learn.plan.size, learn.dls.device
    x = torch.randn(n, 3, size, size, generator=generator).to(device).contiguous(memory_format=torch.channels_last)
    return x, torch.randint(0, len(learn.dls.vocab), (n,), generator=generator).to(device)


def gradient_error(learn: "ImageLearner", graphed: Pass, x: Tensor, y: Tensor) -> float:
    """Return ‖replayed − eager‖ / ‖eager‖ of the gradients of one batch.

    Args:
        learn: the learner.
        graphed: the captured pass.
        x: images N×3×H×W.
        y: targets N.
    """
    eager, replayed = (gradients(learn, run, x, y) for run in (learn.model, graphed))
    return float((replayed - eager).norm() / eager.norm())


def gradients(learn: "ImageLearner", run: Pass, x: Tensor, y: Tensor) -> Tensor:
    """Return the gradients of all trained parameters in one vector, float64, when `run` computes the logits."""
    with autocast(x.device):
        loss = learn.loss_func(run(x), y)
    params = [p for p in learn.model.parameters() if p.requires_grad]
    return torch.cat([g.double().flatten() for g in torch.autograd.grad(loss, params)])
