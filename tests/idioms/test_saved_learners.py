"""Files of a learner: plain fastai loads its weights and optimizer and vice versa, and an exported learner predicts."""

import pytest
import torch
from fastai.learner import load_learner

from data import image_dls
from learners.training.recipe_check import LearnerError
from tests.idioms.learner_pair import CPU, assert_same, assert_same_weights, learner_pair, on_both, with_our_optimizer


@pytest.fixture
def pair(tmp_path):
    return with_our_optimizer(learner_pair(tmp_path, weight_decay=0.01, norm_bias_lr_scale=4.0))


@pytest.mark.parametrize("ours_first", [True, False])
def test_weights_and_optimizer_go_over(table, pair, ours_first):
    """The next fit starts with the momentum of the saved optimizer."""
    giver, taker = pair if ours_first else pair[::-1]
    on_both(pair, lambda learn: learn.fit(1 if learn is taker else 2, 0.05))
    file = giver.save("mine")
    assert file == giver.path / "models/mine.pth"
    taker.load("mine")
    taker.dls.train.epoch = giver.dls.train.epoch
    on_both(pair, lambda learn: learn.fit(1, 0.05))
    assert_same_weights(pair)
    for name in ("save", "load"):
        table.works(f"Learner.{name}", "plain fastai: its own learner continues from the file, and ours from its file")


def test_weights_alone(table, pair):
    on_both(pair, lambda learn: learn.fit(1, 0.05))
    pair.ours.save("weights", with_opt=False)
    kept = torch.load(pair.ours.path / "models/weights.pth", weights_only=True)
    assert_same(list(kept.values()), list(pair.ours.model.state_dict().values()))
    pair.ours.fit(1, 0.05)
    pair.ours.load("weights", with_opt=False)
    assert_same_weights(pair)
    table.works("Learner.save(with_opt=False)", "plain torch: the file is a state dict")
    table.works("Learner.load(with_opt=False)", "plain fastai: the weights")


STATES = {"freeze": lambda learn: learn.freeze(), "unfreeze": lambda learn: learn.unfreeze()}


@pytest.mark.parametrize("before", STATES)
def test_an_exported_learner_predicts_alike(table, pair, before):
    STATES[before](pair.ours)
    pair.ours.fit(1, 0.05)
    pair.ours.export()
    items = list(pair.ours.dls.source.valid)
    loaded = load_learner(pair.ours.path / "export.pkl")
    assert_same(loaded.predict(items[3].open()), pair.ours.predict(items[3].open()))
    found = loaded.get_preds(dl=loaded.dls.test_dl(items))[0]
    assert_same(found, pair.ours.get_preds()[0])
    pair.ours.fit(1, 0.05)
    table.works("Learner.export", "the learner that was exported: predictions; it trains on")
    table.works("load_learner", "the learner that was exported: predictions")
    table.works("Learner.freeze, fit, export", "the learner that was exported: predictions")


def test_a_loaded_learner_trains_once_it_has_images(table, pair):
    on_both(pair, lambda learn: learn.fit(1, 0.05))
    pair.ours.export()
    loaded = load_learner(pair.ours.path / "export.pkl")
    with pytest.raises(LearnerError) as refused:
        loaded.fit(1, 0.05)
    loaded.dls = image_dls("digits", loaded.recipe, device=CPU)
    for learn in (loaded, pair.plain):
        learn.dls.train.epoch = 3
        learn.create_opt()
    on_both(pair._replace(ours=loaded), lambda learn: learn.fit(1, 0.05))
    assert_same_weights(pair._replace(ours=loaded))
    table.refused("load_learner(…).fit", refused.value)
    table.works("load_learner(…).dls = …, fit", "plain fastai: weights after another epoch")
