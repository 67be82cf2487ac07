"""The initial weights are those of their sources, and unchanged if the setting is off."""

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from learners import ResNet18
from learners.training.initial_weights import whiten_stem, zero_residual_branches


def images(n=60, side=12):
    """Return smooth colour images, whose adjacent pixels correlate as in photographs."""
    noise = torch.randn(n, 3, side + 2, side + 2, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.avg_pool2d(noise, 3, stride=1) + 0.3 * noise[:, [1, 2, 0], 1:-1, 1:-1]


def patches(x):
    """Return every 3×3 patch as a row of 27 values, float64, computed with numpy."""
    windows = sliding_window_view(x.double().numpy(), (3, 3), axis=(2, 3))  # N×C×h×w×3×3
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 27)


def test_the_responses_of_a_whitened_stem_are_uncorrelated_and_of_variance_one():
    model, x = ResNet18(), images()
    whiten_stem(model.conv1, x)
    filters = model.conv1.weight.detach().double().numpy().reshape(64, 27)
    responses = np.cov((patches(x) @ filters[0:54:2].T).T, bias=True)
    variances = np.linalg.eigvalsh(np.cov(patches(x).T, bias=True))[::-1]
    assert np.abs(responses - np.diag(variances / (variances + 5e-4))).max() < 1e-4
    assert responses.diagonal().min() > 0.99


def test_the_filters_come_strongest_first_and_each_beside_its_negative():
    model, x = ResNet18(), images()
    random = model.conv1.weight[54:].detach().clone()
    whiten_stem(model.conv1, x)
    filters = model.conv1.weight.detach()
    assert torch.equal(filters[0:54:2], -filters[1:54:2])
    assert torch.equal(filters[54:], random)
    scaled = filters[0:54:2].flatten(1)
    variances = np.var(patches(x) @ torch.nn.functional.normalize(scaled).double().numpy().T, axis=0)
    exact = np.linalg.eigvalsh(np.cov(patches(x).T, bias=True))[::-1]
    assert np.allclose(variances, exact, rtol=1e-4)


def test_directions_that_grey_images_lack_stay_random():
    model, x = ResNet18(), images()[:, :1].expand(-1, 3, -1, -1)
    random = model.conv1.weight.detach().clone()
    whiten_stem(model.conv1, x)
    filters = model.conv1.weight.detach()
    assert torch.equal(filters[18:], random[18:])  # 9 of the 27 components are there, each with its negative
    responses = np.cov((patches(x) @ filters[0:18:2].double().numpy().reshape(9, 27).T).T, bias=True)
    assert np.abs(responses - np.eye(9)).max() < 0.02


def test_a_narrow_stem_takes_what_fits():
    conv = torch.nn.Conv2d(1, 4, 3, bias=False)
    whiten_stem(conv, images()[:, :1])
    assert torch.equal(conv.weight[0], -conv.weight[1])


def test_a_block_with_a_zero_norm_is_its_shortcut():
    model = ResNet18()
    zero_residual_branches(model)
    x = torch.randn(2, 64, 8, 8)
    block = model.layer1[0]
    assert torch.equal(block.eval()(x), torch.relu(x))
    assert all(not block.bn2.weight.any() for layer in range(1, 5) for block in getattr(model, f"layer{layer}"))
