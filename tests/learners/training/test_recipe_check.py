"""`fit_recipe` trains as the recipe says, or fails before the first step and before any file is written."""

from dataclasses import replace

import pytest
import torch
from fastai.data.core import DataLoaders
from fastai.learner import load_learner
from fastai.optimizer import Adam
from fastai.torch_core import params
from torch import nn

from data import image_loaders, open_source
from learners import image_learner
from learners.training.recipe_check import LearnerError
from tests.learners.small_runs import NAMED, SmallNet, small_architecture


@pytest.fixture(autouse=True, scope="module")
def _small():
    with small_architecture():
        yield


def loaders(learn, limit=64, **settings):
    source = open_source("digits", limit=limit)
    return image_loaders(source, replace(learn.plan.loading, **settings), device=torch.device("cpu"))


def plain_loaders(learn):
    learn.dls = DataLoaders(*learn.dls.loaders)


def other_size(learn):
    learn.dls = loaders(learn, size=16)


def other_images(learn):
    learn.dls = loaders(learn, limit=48)


def other_batches(learn):
    learn.dls.train.bs = 8


def compiled(learn):
    learn.model = torch.compile(learn.model)


def in_parallel(learn):
    learn.model = nn.DataParallel(learn.model)


def other_net(learn):
    learn.model = nn.Sequential(*SmallNet())


def other_optimizer(learn):
    learn.opt_func = Adam


def other_splitter(learn):
    learn.splitter = params


def decayed(learn):
    learn.wd = 0.1


def frozen(learn):
    learn.model[0].requires_grad_(False)


REFUSED = {
    plain_loaders: "learn.dls is a DataLoaders, not made from the recipe",
    other_size: "learn.dls was replaced by loaders with size 16 instead of 8; pass the setting",
    other_images: "learn.dls holds other images than digits; pass them to image_learner as `data`",
    other_batches: "learn.dls.train.bs is 8 instead of 16; pass `batch_size`",
    compiled: "torch.compile; use the setting `compile`",
    in_parallel: "learn.model is DataParallel instead of small; pass the net to image_learner as `model`",
    other_net: "learn.model is Sequential instead of small; pass the net",
    other_optimizer: "learn.opt_func was replaced; .* learn.fit_one_cycle",
    other_splitter: "learn.splitter was replaced",
    decayed: "learn.wd is 0.1; use the setting `weight_decay`",
    frozen: r"2 parameters are frozen, among them 0\.bias; call learn.unfreeze",
}


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
@pytest.mark.parametrize("in_memory", [True, False])
def test_it_refuses_in_one_sentence_before_anything_is_written(tmp_path, change, in_memory):
    learn = image_learner(**NAMED, out=None if in_memory else tmp_path / "run")
    change(learn)
    before = {name: tensor.clone() for name, tensor in learn.model.state_dict().items()}
    with pytest.raises(LearnerError, match=REFUSED[change]) as raised:
        learn.fit_recipe()
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()
    assert all(torch.equal(learn.model.state_dict()[name], tensor) for name, tensor in before.items())


def the_same_loaders(learn):
    learn.dls = loaders(learn, workers=1, cache="none")


def another_of_the_same_net(learn):
    learn.model = SmallNet()


@pytest.mark.parametrize("change", [the_same_loaders, another_of_the_same_net])
def test_what_the_recipe_would_have_made_itself_is_fine(change):
    learn = image_learner(**NAMED | {"epochs": 1})
    change(learn)
    assert learn.fit_recipe()["epochs"] == 1


def test_a_net_with_layers_that_its_user_froze_is_trained_as_it_was_given():
    net = SmallNet()
    net[0].requires_grad_(False)
    before = net[0].weight.clone()
    image_learner(**NAMED | {"epochs": 1, "model": net}).fit_recipe()
    assert torch.equal(net[0].weight, before)


@pytest.fixture
def loaded(tmp_path):
    learn = image_learner(**NAMED, out=tmp_path / "run")
    learn.fit(1, 0.01)
    learn.export()
    return load_learner(tmp_path / "run/learner/export.pkl")


def test_a_loaded_learner_can_be_fitted_once_it_has_images(loaded, monkeypatch, tmp_path):
    with pytest.raises(
        LearnerError, match=r"no images, because `load_learner` returned it; set its data loaders: learn.dls ="
    ):
        loaded.fit(1)
    loaded.dls = loaders(loaded)
    before = loaded.validate()
    loaded.fit(2, 0.1)
    loaded.fit_one_cycle(1, 0.1)
    assert loaded.validate() != before
    with pytest.raises(LearnerError, match="load_learner returned this learner, which is trained already"):
        loaded.fit_recipe()
