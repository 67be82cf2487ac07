"""fastai's methods work on the learner, in memory and with files."""

import io

import matplotlib
import numpy as np
import pytest
import torch
from fastai.learner import load_learner
from PIL import Image

from data import image_block, open_source
from learners import image_learner

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def learn(tmp_path_factory):
    learn = image_learner("digits", size=8, batch_size=64, out=tmp_path_factory.mktemp("runs") / "run")
    learn.fit_one_cycle(3, 0.05)
    return learn


def test_validate_get_preds_and_the_recorder_agree(learn):
    recorded = learn.recorder.values[-1][1:]
    loss, accuracy = learn.validate()
    preds, targets = learn.get_preds()
    assert preds.shape == (len(learn.dls.valid_ds), 10)
    assert accuracy > 0.5
    assert accuracy == pytest.approx((preds.argmax(1) == targets).float().mean().item(), abs=1e-6)
    assert torch.allclose(preds.sum(1), torch.ones(len(preds)), atol=1e-5)
    assert [loss, accuracy] == pytest.approx(list(recorded), abs=1e-5)


def test_predict_takes_an_image_of_any_kind(learn):
    path = learn.dls.valid_ds.items[7].path
    picture, data = Image.open(path), path.read_bytes()
    pixels = np.asarray(picture.convert("RGB"))
    kinds = [path, str(path), picture, data, io.BytesIO(data), pixels, torch.tensor(pixels).permute(2, 0, 1)]
    answers = [learn.predict(item) for item in [learn.dls.valid_ds.items[7], *kinds]]
    assert len({answer[0] for answer in answers}) == 1
    preds, _ = learn.get_preds()
    for _, index, probabilities in answers:
        assert torch.allclose(probabilities, preds[7], atol=1e-4)
        assert learn.dls.vocab[index] == answers[0][0]


def test_show_batch_and_show_results_draw(learn):
    import matplotlib.pyplot as plt

    for show in (learn.dls.show_batch, learn.show_results):
        plt.close("all")
        show(max_n=4)
        drawn = [axes for axes in plt.gcf().axes if axes.images]
        assert len(drawn) == 4
        assert all(axes.get_title().split()[0] in learn.dls.vocab for axes in drawn)


def test_export_carries_no_pixels_and_predicts_alike(learn, tmp_path):
    learn.path = tmp_path
    learn.export()
    weights = sum(p.numel() * p.element_size() for p in learn.model.state_dict().values())
    assert (tmp_path / "export.pkl").stat().st_size < weights + 200_000
    path = learn.dls.valid_ds.items[3]
    loaded = load_learner(tmp_path / "export.pkl")
    assert torch.allclose(loaded.predict(path)[2], learn.predict(path)[2], atol=1e-5)


def test_the_block_explains_itself(learn, capsys):
    source = open_source("digits", limit=20)
    image_block(source, learn.plan, learn.dls.stats).summary(source, bs=4)
    assert "Final sample" in capsys.readouterr().out
