"""Methods of a learner that use its data: training images without augmentation, export, batches of one image."""

from pathlib import Path

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import load_learner
from torch import Tensor, nn

from data.common.errors import TrainingError
from learners import image_learner


@pytest.fixture
def learn(tiny, tmp_path):
    learn = image_learner(**tiny, device="cpu")
    learn.path = tmp_path
    return learn


def training_images(learn) -> tuple[Tensor, Tensor]:
    """Return all training images without augmentation, and their labels."""
    dl = learn.dls.test_dl(list(learn.dls.source.train), with_labels=True)
    return tuple(torch.cat([part.as_subclass(Tensor) for part in parts]) for parts in zip(*dl, strict=True))


def test_training_images_are_measured_as_they_are(learn):
    learn.fit(1)
    x, y = training_images(learn)
    assert len(x) % learn.dls.train.bs == 0  # so that the means below are those of batches
    with torch.no_grad():
        logits = learn.model.eval()(x)
    loss, accuracy = learn.validate(ds_idx=0)
    assert loss == pytest.approx(learn.loss_func(logits, y).item(), rel=1e-4)
    assert accuracy == pytest.approx((logits.argmax(1) == y).float().mean().item())
    assert learn.validate(ds_idx=0) == [loss, accuracy]
    preds, targets = learn.get_preds(ds_idx=0)
    torch.testing.assert_close(preds, logits.softmax(1), atol=1e-4, rtol=1e-3)
    assert torch.equal(targets, y)


def test_looks_at_training_images_leave_the_epoch_of_training_alone(learn):
    learn.validate(ds_idx=0)
    learn.get_preds(ds_idx=0)
    learn.dls.show_batch(unique=True, show=False)
    assert learn.dls.train.epoch == 0


def test_the_images_of_a_training_loader_of_any_kind_are_augmented_by_tta(learn):
    plain = learn.get_preds(ds_idx=0)[0]
    looking = learn.dls.train.new(shuffle=False, drop_last=False)
    for which in ({"ds_idx": 0}, {"dl": learn.dls.train}, {"dl": looking}):
        preds, _ = learn.tta(**which, n=1, beta=0)
        assert preds.shape == plain.shape
        assert not torch.allclose(preds.sort(0).values, plain.sort(0).values, atol=1e-5)
    assert torch.equal(learn.tta(dl=looking, n=1, beta=1)[0], plain)


def test_show_results_draws_in_one_figure_without_fastai_s_star_imports(learn):
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    plt.close("all")
    batch = learn.dls.valid.one_batch()
    learn.dls.show_results(batch, batch[1], max_n=4)
    assert len([axes for axes in plt.gcf().axes if axes.images]) == 4


class Unpicklable(Callback):
    """An object that cannot be pickled, so that writing a learner fails."""

    def __reduce__(self):
        raise RuntimeError("the disk is full")


@pytest.mark.parametrize("before", ["freeze", "unfreeze"])
def test_export_after_a_fit_keeps_the_learner_and_predicts_the_same(learn, before):
    getattr(learn, before)()
    learn.fit(1)
    dls, opt = learn.dls, learn.opt
    learn.export()
    assert learn.dls is dls
    assert learn.opt is opt
    image = learn.dls.source.valid[3].open()
    loaded = load_learner(learn.path / "export.pkl")
    torch.testing.assert_close(loaded.predict(image)[2], learn.predict(image)[2], atol=1e-5, rtol=1e-4)
    learn.fit(1)


def test_an_export_that_fails_leaves_the_learner_and_the_former_file(learn):
    learn.fit(1)
    learn.export("sub/mine.pkl")
    file, dls, opt = learn.path / "sub" / "mine.pkl", learn.dls, learn.opt
    before = file.read_bytes()
    learn.add_cb(Unpicklable())
    with pytest.raises(RuntimeError, match="the disk is full"):
        learn.export("sub/mine.pkl")
    assert learn.dls is dls
    assert learn.opt is opt
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["mine.pkl"]
    learn.fit(1)


def test_export_works_before_any_fit(learn, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    learn.path = Path("not/made/yet")
    learn.export()
    assert (tmp_path / "not/made/yet/export.pkl").is_file()
    assert learn.opt is None


def leave_one_over(learn) -> None:
    learn.dls.train = learn.dls.train.new(bs=21, drop_last=False)
    assert len(learn.dls.train_ds) % 21 == 1


def test_a_training_batch_of_one_image_is_named_where_the_norms_cannot_take_it(tiny):
    short, single = image_learner(**tiny), image_learner(**{**tiny, "batch_size": 1, "limit": 4})
    leave_one_over(short)
    for begin in (lambda: short.fit(1), lambda: single.fit(1), single.fit_recipe):
        with pytest.raises(TrainingError, match="a training batch holds one image, and a norm"):
            begin()


def test_the_last_image_is_left_out_by_default_and_taken_by_a_net_that_can(tiny):
    image_learner(**{**tiny, "batch_size": 21}).fit(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    learn = image_learner(**tiny, model=net, whiten=False)
    leave_one_over(learn)
    learn.fit(1)
