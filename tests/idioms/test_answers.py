"""The results of a trained learner: validation, predictions, test-time augmentation, and their figures."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from PIL import Image
from torch import nn

from tests.idioms.learner_pair import assert_same, learner_pair, on_both

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Both learners after a fit. Tests must not change them."""
    # at the size of the files, and with a last batch of validation that is a short one
    pair = learner_pair(tmp_path_factory.mktemp("answers"), limit=60, size=16)
    on_both(pair, lambda learn: learn.fit_one_cycle(2, 0.1))
    return pair


@pytest.fixture(scope="module")
def by_torch(pair):
    """Logits and labels of the validation images, from their files, without fastai."""
    learn = pair.ours
    mean, std = (torch.tensor(values) for values in learn.dls.stats)
    items = learn.dls.source.valid
    pixels = torch.stack([torch.tensor(np.asarray(item.open().convert("RGB"))) for item in items])
    images = ((pixels / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        logits = learn.model.eval()(images)
    return logits, torch.tensor([list(learn.dls.vocab).index(item.label) for item in items])


VALIDATED = {
    "validate": lambda learn: learn.validate(),
    "validate(dl)": lambda learn: learn.validate(
        dl=learn.dls.test_dl(list(learn.dls.source.valid[:20]), with_labels=True)
    ),
    "validate(cbs)": lambda learn: learn.validate(cbs=[Callback(before_batch=lambda self: None)]),
}


@pytest.mark.parametrize("name", VALIDATED)
def test_validation(table, pair, by_torch, name):
    ours, plain = on_both(pair, lambda learn: [float(value) for value in VALIDATED[name](learn)])
    assert_same(ours, plain)
    logits, targets = (part[: 20 if name == "validate(dl)" else None] for part in by_torch)
    loss = nn.CrossEntropyLoss(label_smoothing=pair.ours.plan.label_smoothing)(logits, targets).item()
    assert_same(ours, [loss, (logits.argmax(1) == targets).float().mean().item()])
    table.works(f"Learner.{name}", "plain fastai and plain torch: loss and accuracy")


GIVEN = {
    "get_preds": {},
    "get_preds(with_input)": {"with_input": True},
    "get_preds(with_decoded)": {"with_decoded": True},
    "get_preds(with_loss)": {"with_loss": True},
    "get_preds(act)": {"act": nn.Identity()},
    "get_preds(reorder=False)": {"reorder": False},
    "get_preds(with_preds=False)": {"with_preds": False},
    "get_preds(ds_idx=0)": {"ds_idx": 0},
}


@pytest.mark.parametrize("name", GIVEN)
def test_predictions(table, pair, name):
    found, expected = on_both(pair, lambda learn: learn.get_preds(**GIVEN[name]))
    assert_same(found, expected)
    table.works(f"Learner.{name}", "plain fastai: every tensor that comes back")


def test_predictions_are_those_of_the_net(table, pair, by_torch):
    logits, targets = by_torch
    assert_same(pair.ours.get_preds(), [logits.softmax(1), targets])
    unlabelled = pair.ours.dls.test_dl(list(pair.ours.dls.source.valid))
    preds, none = pair.ours.get_preds(dl=unlabelled)
    assert none is None
    assert_same(preds, logits.softmax(1))
    table.works("Learner.get_preds(dl)", "plain torch: probabilities of the images of their files")


def test_one_image(table, pair, by_torch):
    item = pair.ours.dls.source.valid[7]
    probabilities = by_torch[0][7].softmax(0)
    best = int(probabilities.argmax())
    picture = item.open()
    assert isinstance(picture, Image.Image)
    for given in (item, picture, np.asarray(picture.convert("RGB"))):
        found = pair.ours.predict(given)
        assert found[0] == pair.ours.dls.vocab[best]
        assert_same(found[1:], [torch.tensor(best), probabilities])
    shown, *rest = on_both(pair, lambda learn: learn.predict(picture, with_input=True))
    assert_same(shown[1:], rest[0][1:])
    assert_same(shown[0], rest[0][0])
    table.works("Learner.predict", "plain torch: class and probabilities; plain fastai: the image that comes back")


AUGMENTED = {
    "tta": {},
    "tta(n, beta)": {"n": 2, "beta": 0.5},
    "tta(beta=None)": {"n": 2, "beta": None},
    "tta(use_max)": {"n": 2, "use_max": True},
    "tta(dl)": {"n": 2, "dl": None},
}


@pytest.mark.parametrize("name", AUGMENTED)
def test_the_mean_of_augmented_images(table, pair, name):
    """Both learners get the same augmentations, which are a function of seed, epoch and image."""
    for each in pair:
        each.dls.valid.epoch = 5

    def use(learn):
        given = {"dl": learn.dls.valid} if name == "tta(dl)" else {}
        return learn.tta(**AUGMENTED[name] | given)

    found, expected = on_both(pair, use)
    assert_same(found, expected)
    assert not torch.allclose(torch.as_tensor(found[0][0]), pair.ours.get_preds()[0][0], atol=1e-4)
    table.works(f"Learner.{name}", "plain fastai: what comes back for the same augmentations")


def titles(show) -> list[str]:
    plt.close("all")
    show()
    found = [axes.get_title() for axes in plt.gcf().axes if axes.images]
    plt.close("all")
    return found


def test_answers_are_shown_with_what_is_true(table, pair):
    found, expected = on_both(pair, lambda learn: titles(lambda: learn.show_results(max_n=4, shuffle=False)))
    preds, targets = pair.ours.get_preds()
    vocab = pair.ours.dls.vocab
    assert found == [f"{vocab[t]}\n{vocab[p]}" for t, p in zip(targets[:4], preds[:4].argmax(1), strict=True)]
    assert found == expected
    assert len(titles(lambda: pair.ours.show_results(ds_idx=0))) == 9
    table.works("Learner.show_results", "plain fastai: titles, which are the label and the class of `get_preds`")
