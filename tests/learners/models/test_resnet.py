"""The net is the published ResNet18 for CIFAR."""

import pytest
import torch

from learners import ResNet18


def test_it_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in ResNet18().parameters()) == 11_173_962


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("shape", [(8, 8), (32, 32), (65, 48)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_class_count_size_and_channel_count(classes, shape, channels):
    model = ResNet18(classes, channels).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, channels, *shape)).shape == (1, classes)


def test_it_halves_the_side_three_times():
    model, shapes = ResNet18().eval(), []
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        layer.register_forward_hook(lambda module, args, out: shapes.append(tuple(out.shape[1:])))
    with torch.no_grad():
        model(torch.zeros(1, 3, 32, 32))
    assert shapes == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
