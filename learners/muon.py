"""SGD whose steps on filter banks are orthogonal matrices."""

from collections import defaultdict
from collections.abc import Callable
from typing import overload

import torch
from torch import Tensor

MOMENTUM = 0.6  # Nesterov momentum of the filters
ITERATIONS = 3  # of Newton and Schulz
QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients of X, X·Xᵀ·X and (X·Xᵀ)²·X in an iteration
EPSILON = 1e-7  # added to norms, so that an all-zero gradient gives no step


class Muon(torch.optim.SGD):
    """`torch.optim.SGD`, but groups with `orthogonal=True` hold filter banks and are stepped as follows.

    Their momentum, n_out × (n_in·k·k), is replaced by the nearest semi-orthogonal matrix, so that the step changes
    all directions alike. After it each bank gets the norm √n_out again; a norm behind the layer makes that change
    nothing but the effective rate.

    Source: Jordan 2024, https://kellerjordan.github.io/posts/muon, in the form of KellerJordan/cifar10-airbench.
    """

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
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
        """One step of all filters; banks of one shape go through it as one tensor, because a kernel costs more."""
        by_shape = defaultdict(list)
        for bank in filters:
            by_shape[bank.shape].append(bank)
        for alike in by_shape.values():
            steps = orthogonalised(self._momentum(alike).flatten(2))  # B × n_out × n_in·k·k
            banks = torch.stack(alike)  # B × n_out × n_in × k × k
            banks.sub_(steps.view_as(banks), alpha=lr)
            norms = torch.linalg.vector_norm(banks.flatten(1), dim=1).add_(EPSILON)  # B
            banks.mul_((banks.shape[1] ** 0.5 / norms).view(-1, 1, 1, 1, 1))
            for bank, new in zip(alike, banks.unbind(), strict=True):
                bank.copy_(new)

    def _momentum(self, alike: list[Tensor]) -> Tensor:
        """Nesterov's momentum of banks of one shape, B × n_out × n_in × k × k."""
        gradients = torch.stack([bank.grad for bank in alike if bank.grad is not None])
        former = [self.state[bank].get("momentum_buffer") for bank in alike]
        kept = [torch.zeros_like(g) if buffer is None else buffer for g, buffer in zip(gradients, former, strict=True)]
        buffers = torch.add(gradients, torch.stack(kept), alpha=MOMENTUM)
        for bank, buffer in zip(alike, buffers.unbind(), strict=True):
            self.state[bank]["momentum_buffer"] = buffer
        return gradients.add_(buffers, alpha=MOMENTUM)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices of the same singular vectors, whose singular values are near 1 (about 0.5 to 1.2).

    On a GPU it computes in bf16: the values need no more than that, and it is several times as fast.

    Args:
        matrices: B×m×n.

    Source: a quintic iteration of Newton and Schulz; its coefficients are those of Jordan 2024.
    """
    x = matrices / torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True).add_(EPSILON)
    x = x.bfloat16() if x.is_cuda else x
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x  # B × short × long
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        gram = x @ x.mT  # B × short × short
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
