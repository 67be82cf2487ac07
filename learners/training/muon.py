"""Muon: SGD whose updates of convolution filters are orthogonal matrices."""

from collections import defaultdict
from collections.abc import Callable
from typing import overload

import torch
from torch import Tensor

FILTER_MOMENTUM = 0.6  # Nesterov momentum of the filters
NEWTON_SCHULZ_ITERATIONS = 3  # iterations that approximate the orthogonal matrix
QUINTIC_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # factors of X, X·Xᵀ·X and (X·Xᵀ)²·X in an iteration
NORM_EPSILON = 1e-7  # value that is added to norms, so that an all-zero gradient does not divide by zero


class Muon(torch.optim.SGD):
    """`torch.optim.SGD` that updates the parameter groups with `orthogonal=True` by orthogonal matrices.

    Such a group holds the filters of convolutions, n_out × n_in × k × k each. The update of a layer's filters is the
    semi-orthogonal matrix nearest to their momentum, n_out × (n_in·k·k), so that it is equally large in all directions.
    The filters of the layer are then scaled to the norm √n_out. A norm layer behind the convolution makes the output
    independent of that scale, so that only the effective learning rate changes.

    Source: Jordan 2024, https://kellerjordan.github.io/posts/muon, in the form of KellerJordan/cifar10-airbench.
    """

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update all parameters once."""
        groups = self.param_groups
        for group in groups:
            if group.get("orthogonal"):
                self._step_filters([p for p in group["params"] if p.grad is not None], group["lr"])
        try:
            self.param_groups = [group for group in groups if not group.get("orthogonal")]
            return super().step(closure)
        finally:
            self.param_groups = groups

    def _step_filters(self, filters: list[Tensor], lr: float) -> None:
        """Update the filters of all layers; those of the same shape are stacked, because few large kernels are fast."""
        by_shape = defaultdict(list)
        for weight in filters:
            by_shape[weight.shape].append(weight)
        for weights in by_shape.values():
            updates = orthogonalised(self._momentum(weights).flatten(2))  # B × n_out × n_in·k·k
            stacked = torch.stack(weights)  # B × n_out × n_in × k × k
            stacked.sub_(updates.view_as(stacked), alpha=lr)
            norms = torch.linalg.vector_norm(stacked.flatten(1), dim=1).add_(NORM_EPSILON)  # B
            stacked.mul_((stacked.shape[1] ** 0.5 / norms).view(-1, 1, 1, 1, 1))
            for weight, new in zip(weights, stacked.unbind(), strict=True):
                weight.copy_(new)

    def _momentum(self, weights: list[Tensor]) -> Tensor:
        """Update and return the Nesterov momentum of B weights of one shape: B × n_out × n_in × k × k."""
        gradients = torch.stack([weight.grad for weight in weights if weight.grad is not None])
        former = [self.state[weight].get("momentum_buffer") for weight in weights]
        kept = [torch.zeros_like(g) if buffer is None else buffer for g, buffer in zip(gradients, former, strict=True)]
        buffers = torch.add(gradients, torch.stack(kept), alpha=FILTER_MOMENTUM)
        for weight, buffer in zip(weights, buffers.unbind(), strict=True):
            self.state[weight]["momentum_buffer"] = buffer
        return gradients.add_(buffers, alpha=FILTER_MOMENTUM)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Return matrices with the same singular vectors and singular values near 1 (about 0.5 to 1.2).

    On a GPU the iteration runs in bf16, which is precise enough and several times as fast.

    Args:
        matrices: B×m×n.

    Source: Newton-Schulz iteration of degree 5, with the coefficients of Jordan 2024.
    """
    x = matrices / torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True).add_(NORM_EPSILON)
    x = x.bfloat16() if x.is_cuda else x
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x  # B × short × long
    a, b, c = QUINTIC_COEFFICIENTS
    for _ in range(NEWTON_SCHULZ_ITERATIONS):
        gram = x @ x.mT  # B × short × short
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
