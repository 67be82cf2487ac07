"""Small models and real images for the tests of the heatmaps."""

import random

import pytest
import torch
from fastai.learner import Learner

from learners.models.resnet18 import ResNet18
from tests.callbacks.gradcam.plain_digits import plain_learner


@pytest.fixture(scope="session")
def resnet() -> ResNet18:
    """A ResNet18 whose norm layers have statistics of data. Tests must not change it."""
    torch.manual_seed(0)
    net = ResNet18()
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(32, 3, 32, 32))
    return net.eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def trained() -> Learner:
    """A learner that classifies most digits correctly and some wrongly. Tests must not change it."""
    learn = plain_learner()
    learn.logger = lambda row: None
    random.seed(0)
    learn.fit_one_cycle(2, 1e-2)
    return learn
