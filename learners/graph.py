"""The training pass of a model as two CUDA graphs: one launch forward and one backward, in place of several hundred.

All else of a step (the batch, the loss, the optimizer, the average, every callback) runs as ever, so that each callback
gets each event and may change what it likes: only the model's own operations are replayed. What a replay takes for
granted about the model is looked at before each step; where that no longer holds, the model runs eagerly.
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

Pass = Callable[[Tensor], Tensor]  # images N×C×H×W to logits N×classes
Capture = Callable[[nn.Module, Tensor], Pass]

TOLERANCE = 1e-2  # relative, of gradients: rounding to bf16 is 4e-3, a replay of another batch is off by about 1
TRIALS = 2  # batches; one alone would not tell that a replay ignores its input


def capture_on_cuda(model: nn.Module, sample: Tensor) -> Pass:
    """Both passes of `model`, which must be in training mode, for batches like `sample`; torch warms up by itself."""
    bf16 = precision(sample.device) == "bf16"
    with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
        graphed = torch.cuda.make_graphed_callables(_Pass(model), (sample,), allow_unused_input=True)
    # The nodes that add up gradients belong to the stream of the capture; an eager step, as that of an epoch's last and
    # smaller batch, waits for it, which is right and of which torch warns.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    return graphed  # type: ignore[return-value]  # torch types the module as any callable


class _Pass(nn.Module):
    """The model in a module of its own, because torch replaces the `forward` of the module that it captures."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class GraphedModel:
    """A model's training pass, captured for batches of one shape.

    Args:
        model: in training mode.
        sample: a batch N×C×H×W; its values do not matter. Norm statistics take it into account.
        capture: records the pass, and returns what replays it.
    """

    def __init__(self, model: nn.Module, sample: Tensor, capture: Capture) -> None:
        self.model, self.shape = model, sample.shape
        self.modules, self.params, self.hooks = list(model.modules()), list(model.parameters()), hook_dicts(model)
        self.taken = self._taken_for_granted()
        self.replay = capture(model, sample)

    def _taken_for_granted(self) -> tuple:
        """The mode of each module, and which memory trains as its parameters."""
        return [m.training for m in self.modules], [(p.data_ptr(), p.requires_grad) for p in self.params]

    def obstacle(self, model: nn.Module, xb: tuple, thorough: bool) -> str | None:
        """Why a replay cannot stand for `model(*xb)`; None where it can.

        Args:
            thorough: also look for replaced layers, which takes as long as everything else together.
        """
        if len(xb) != 1 or xb[0].shape != self.shape:
            return "a batch has another shape"
        if any(self.hooks):
            return "a module of the model has got a hook, which a replay would not call"
        if model is not self.model or self._taken_for_granted() != self.taken:
            return "the model is in another mode, or layers were frozen or replaced"
        if thorough and list(model.modules()) != self.modules:
            return "layers were replaced"
        return None

    def __call__(self, x: Tensor) -> Tensor:
        """Logits; a replay overwrites the memory of the last one's logits and gradients, so whoever keeps them may."""
        for param in self.params:
            if param.grad is not None:  # gradients of several steps are being added up
                param.grad = param.grad.clone()
        return self.replay(x).clone()


def trusted_graph(learn: "ImageLearner", capture: Capture | None = None) -> GraphedModel | None:
    """The graph of `learn.model` for its training batches; None, and a line in the log, where it cannot be trusted.

    Norm statistics are changed by it.
    """
    try:
        graphed, why = _tried(learn, capture or capture_on_cuda)
    except (RuntimeError, AssertionError) as error:  # of CUDA, memory included, and of torch's own checks
        graphed, why = None, f"it could not be captured ({str(error).splitlines()[0]})"
    if why:
        log.warning("no CUDA graph, every step runs eagerly: %s", why)
    return None if why else graphed


def _tried(learn: "ImageLearner", capture: Capture) -> tuple[GraphedModel | None, str | None]:
    learn.model.train()
    if learn.plan.compile:
        return None, "the model is compiled"
    if any(hook_dicts(learn.model)):
        return None, "a module of the model has a hook, which a replay would not call"
    graphed = GraphedModel(learn.model, noise_batch(learn, seed=0)[0], capture)
    error = max(gradient_error(learn, graphed, *noise_batch(learn, seed)) for seed in range(1, 1 + TRIALS))
    if not error <= TOLERANCE:
        return None, f"its gradients differ from the eager step's by {error:.2g} of their norm"
    return graphed, None


def noise_batch(learn: "ImageLearner", seed: int) -> tuple[Tensor, Tensor]:
    """Images N×3×H×W, channels last, and targets N, in the shape of the training batches."""
    generator = torch.Generator().manual_seed(seed)
    n, size, device = learn.dls.train.bs, learn.plan.size, learn.dls.device
    x = torch.randn(n, 3, size, size, generator=generator).to(device).contiguous(memory_format=torch.channels_last)
    return x, torch.randint(0, len(learn.dls.vocab), (n,), generator=generator).to(device)


def gradient_error(learn: "ImageLearner", graphed: Pass, x: Tensor, y: Tensor) -> float:
    """‖replayed − eager‖ / ‖eager‖ of the gradients of one batch."""
    eager, replayed = (gradients(learn, run, x, y) for run in (learn.model, graphed))
    return float((replayed - eager).norm() / eager.norm())


def gradients(learn: "ImageLearner", run: Pass, x: Tensor, y: Tensor) -> Tensor:
    """Of all parameters, in one vector, float64."""
    with autocast(x.device):
        loss = learn.loss_func(run(x), y)
    params = [p for p in learn.model.parameters() if p.requires_grad]
    return torch.cat([g.double().flatten() for g in torch.autograd.grad(loss, params)])
