"""A new architecture needs one new file: a class that is registered under the name for the setting `model`."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet34

from learners import image_learner, resume_learner
from learners.answers.evaluation import evaluate
from learners.finished_learner import load_run
from learners.models import MODELS, model
from learners.models.resnet18 import ResNet, ResNet18
from learners.run_directory.run import RunDirectoryError


@pytest.fixture
def registered():
    """The class that a contributor would write in a new file."""

    @model("resnet34")
    class ResNet34(ResNet):
        def __init__(self, n_classes=10, in_channels=3):
            super().__init__((3, 4, 6, 3), n_classes, in_channels, width=64)

    yield ResNet34
    MODELS.pop("resnet34", None)


def parameters(net):
    return sum(p.numel() for p in net.parameters())


def test_it_is_the_published_net_with_the_stem_of_small_images(registered):
    published = parameters(resnet34(num_classes=10))
    stems = 3 * 64 * 7 * 7 - 3 * 64 * 3 * 3
    assert parameters(registered()) == published - stems


def test_it_trains_by_name_is_stored_by_name_and_is_loaded_again(registered, tiny, tmp_path):
    learn = image_learner(**tiny, model="resnet34", out=tmp_path / "run")
    results = learn.fit_recipe()
    assert learn.plan.model == "resnet34"
    assert evaluate(tmp_path / "run")["accuracy"] == pytest.approx(results["accuracy"])
    assert type(load_run(tmp_path / "run").model) is registered

    del MODELS["resnet34"]  # as in a session that has not imported the file
    with pytest.raises(RunDirectoryError, match="unknown architecture 'resnet34'"):
        load_run(tmp_path / "run")


def test_a_net_can_be_given_itself_and_keeps_its_weights(tiny, tmp_path):
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    before = net[0].weight.detach().clone()
    learn = image_learner(**tiny, model=net, out=tmp_path / "run")
    torch.testing.assert_close(learn.model[0].weight.detach(), before)
    results = learn.fit_recipe()
    with pytest.raises(RunDirectoryError, match="pass the net as `model`"):
        load_run(tmp_path / "run")
    assert load_run(tmp_path / "run", model=net).validate()[1] == pytest.approx(results["accuracy"])
    assert resume_learner(tmp_path / "run", model=net).model is net


def test_a_given_net_of_a_registered_class_is_loaded_by_its_name(tiny, tmp_path):
    image_learner(**tiny, model=ResNet18(), out=tmp_path / "run").fit_recipe()
    assert type(load_run(tmp_path / "run").model) is ResNet18


def test_an_unknown_name_is_answered_with_the_known_ones(app, tiny_flags):
    done = app("fit", *tiny_flags, "--model", "resnet19")
    assert done.code == 2
    assert "--model 'resnet19': choose from resnet18" in done.err
