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
        by_shape = defaultdict(list)
        for bank in filters:
            by_shape[bank.shape].append(bank)
        for alike in by_shape.values():
            moving = torch.stack([self._momentum(bank).flatten(1) for bank in alike])  # banks × n_out × n_in·k·k
            for bank, step in zip(alike, orthogonalised(moving), strict=True):
                bank.sub_(step.view_as(bank), alpha=lr)
                bank.mul_(len(bank) ** 0.5 / (bank.norm() + EPSILON))

    def _momentum(self, bank: Tensor) -> Tensor:
        """Nesterov's momentum of one bank that has a gradient."""
        assert bank.grad is not None
        state = self.state[bank]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(bank)
        buffer = state["momentum_buffer"].mul_(MOMENTUM).add_(bank.grad)
        return bank.grad.add(buffer, alpha=MOMENTUM)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Matrices of the same singular vectors, whose singular values are near 1 (about 0.5 to 1.2).

    Args:
        matrices: B×m×n.

    Source: a quintic iteration of Newton and Schulz; its coefficients are those of Jordan 2024.
    """
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + EPSILON)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x  # B × short × long
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        gram = x @ x.mT  # B × short × short
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
