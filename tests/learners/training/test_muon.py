"""Muon's updates of filters, against singular values and plain SGD in float64."""

from copy import deepcopy

import pytest
import torch

from learners.training.muon import FILTER_MOMENTUM, QUINTIC_COEFFICIENTS, Muon, orthogonalised


def polynomial(s):
    """Return a singular value after three iterations, in closed form."""
    a, b, c = QUINTIC_COEFFICIENTS
    for _ in range(3):
        s = a * s + b * s**3 + c * s**5
    return s


@pytest.mark.parametrize("shape", [(2, 5, 9), (3, 9, 5), (1, 4, 4)])
def test_the_singular_vectors_stay_and_the_values_follow_the_polynomial(shape):
    matrices = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u, s, vt = torch.linalg.svd(matrices, full_matrices=False)
    scaled = s / matrices.norm(dim=(1, 2)).unsqueeze(1)
    expected = u @ torch.diag_embed(polynomial(scaled)) @ vt
    torch.testing.assert_close(orthogonalised(matrices), expected, rtol=0, atol=1e-6)


def test_bf16_of_a_gpu_keeps_the_singular_values_where_they_should_be():
    """In bf16, as on a GPU, every singular value ends near that of the exact iteration."""
    matrices = torch.randn(2, 64, 576, generator=torch.Generator().manual_seed(0))
    exact = torch.linalg.svdvals(orthogonalised(matrices.double()))
    rough = torch.linalg.svdvals(orthogonalised(matrices.bfloat16()).double())
    assert (rough - exact).abs().max() < 0.05
    assert rough.min() > 0.5
    assert rough.max() < 1.3


def test_a_zero_matrix_stays_zero():
    assert not orthogonalised(torch.zeros(1, 3, 4)).any()


def bank(seed, *shape):
    values = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.nn.Parameter(values)


def test_two_steps_are_the_definition_and_each_leaves_the_norm():
    first, second = bank(0, 6, 2, 3, 3), bank(1, 6, 2, 3, 3)
    gradients = [[torch.randn(6, 2, 3, 3, dtype=torch.float64) for _ in range(2)] for _ in range(2)]
    opt = Muon([{"params": [first, second], "orthogonal": True}], lr=0.1, momentum=0.9, nesterov=True)
    expected, buffers = (
        [first.detach().clone(), second.detach().clone()],
        [torch.zeros(6, 2, 3, 3), torch.zeros(6, 2, 3, 3)],
    )
    for pair in gradients:
        first.grad, second.grad = pair
        opt.step()
        for i, gradient in enumerate(pair):
            buffers[i] = FILTER_MOMENTUM * buffers[i] + gradient
            moving = (gradient + FILTER_MOMENTUM * buffers[i]).reshape(1, 6, 18)
            expected[i] = expected[i] - 0.1 * orthogonalised(moving).view(6, 2, 3, 3)
            expected[i] = expected[i] * 6**0.5 / expected[i].norm()
    torch.testing.assert_close([first.detach(), second.detach()], expected, rtol=1e-6, atol=1e-6)
    assert first.norm().item() == pytest.approx(6**0.5, rel=1e-6)


def test_the_other_groups_are_stepped_as_by_sgd():
    ours, theirs = bank(2, 3, 4), bank(2, 3, 4)
    filters = bank(3, 2, 2, 3, 3)
    settings = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
    muon = Muon([{"params": [ours]}, {"params": [filters], "orthogonal": True}], **settings)
    sgd = torch.optim.SGD([theirs], **settings)
    for step in range(3):
        gradient = torch.full((3, 4), 1.0 + step, dtype=torch.float64)
        ours.grad, theirs.grad, filters.grad = gradient, gradient.clone(), torch.ones_like(filters)
        muon.step(), sgd.step()
    assert torch.equal(ours, theirs)
    assert len(muon.param_groups) == 2


def test_its_state_goes_through_a_checkpoint():
    first, again = bank(4, 4, 2, 3, 3), bank(4, 4, 2, 3, 3)
    make = lambda p: Muon([{"params": [p], "orthogonal": True}], lr=0.1, momentum=0.9)  # noqa: E731
    opt, other = make(first), make(again)
    first.grad = torch.ones_like(first)
    opt.step()
    other.load_state_dict(deepcopy(opt.state_dict()))  # a checkpoint shares no memory
    with torch.no_grad():
        again.copy_(first)
    first.grad, again.grad = torch.full_like(first, 2.0), torch.full_like(first, 2.0)
    opt.step(), other.step()
    assert torch.equal(first, again)
