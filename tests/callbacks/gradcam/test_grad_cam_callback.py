"""The callback computes heatmaps of the same images after each trained epoch, and changes nothing of the run."""

import random

import matplotlib.image
import numpy as np
import pytest
import torch
from fastai.callback.core import Callback, CancelFitException, CancelValidException, TrainEvalCallback
from fastai.learner import Recorder
from torch import Tensor, nn

from callbacks import GradCAMCallback, grad_cam
from callbacks.gradcam.layers import CamError
from learners import image_learner
from tests.callbacks.gradcam.plain_digits import plain_learner


def fitted(epochs: int, cbs=()) -> tuple:
    random.seed(0)  # fastai's loader shuffles with it
    learn = plain_learner()
    learn.logger = lambda row: None
    learn.fit_one_cycle(epochs, 1e-2, cbs=list(cbs))
    return learn, learn.recorder.values


def epochs_of(callback: GradCAMCallback) -> list[int]:
    return [look[0].epoch for look in callback.snapshots]


def test_looks_every_few_epochs_and_at_the_last():
    callback = GradCAMCallback(every=2, count=3)
    learn, _ = fitted(3, [callback])
    assert epochs_of(callback) == [1, 2]
    for look in callback.snapshots:
        assert len(look) == 3
        for first, now in zip(callback.snapshots[0], look, strict=True):
            assert np.array_equal(first.image, now.image)
    last = callback.snapshots[-1][0]
    pixels = torch.from_numpy(last.image).permute(2, 0, 1)  # 1×16×16
    label = next(int(y) for x, y in learn.dls.valid_ds if torch.allclose(x.as_subclass(Tensor), pixels, atol=1e-5))
    assert last.true == f"digit {label}"
    batch = (pixels[None] - 0.3) / 0.4
    expected = grad_cam(learn.model, batch, [label])[0]
    torch.testing.assert_close(torch.from_numpy(last.cam), expected, atol=1e-4, rtol=1e-3)
    probabilities = learn.model.eval()(batch).softmax(1)[0]
    assert last.predicted == f"digit {probabilities.argmax()}"
    assert last.probability == pytest.approx(probabilities.max().item(), abs=1e-5)


def test_a_run_is_the_same_with_and_without_it():
    """All weights, random numbers and history rows are equal."""
    (plain, figures), state = fitted(2), (random.getstate(), torch.get_rng_state())
    (watched, same), after = fitted(2, [GradCAMCallback(count=3)]), (random.getstate(), torch.get_rng_state())
    assert figures == same
    for a, b in zip(plain.model.state_dict().values(), watched.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert state[0] == after[0]
    assert torch.equal(state[1], after[1])


def test_skips_itself_in_validation_and_prediction():
    callback = GradCAMCallback(count=2)
    learn = image_learner("digits", limit=20, device="cpu")
    learn.add_cb(callback)
    learn.validate()
    learn.get_preds()
    learn.tta(n=1)
    assert callback.snapshots == []
    learn.fit(1)
    learn.validate()
    assert epochs_of(callback) == [0]


def test_skips_itself_in_the_search_for_a_rate(tmp_path):
    callback = GradCAMCallback(count=2)
    learn = plain_learner(path=tmp_path)
    learn.add_cb(callback)
    learn.logger = lambda row: None
    learn.lr_find(num_it=25, show_plot=False)  # two and a half epochs
    assert callback.snapshots == []


def test_figure_titles_are_the_predictions(tmp_path):
    callback = GradCAMCallback(count=2, out=tmp_path / "run")
    fitted(2, [callback])
    titles = [axes.get_title() for axes in callback.plot().axes if axes.get_title()]
    expected = []
    for first, second in zip(*callback.snapshots, strict=True):
        expected.append(f"true {first.true}")
        for look in (first, second):
            expected.append(f"epoch {look.epoch}: predicted\n{look.predicted}, {look.probability:.0%}")
    assert titles == expected
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["grad_cam.png"]
    assert matplotlib.image.imread(tmp_path / "run" / "grad_cam.png").shape[0] > 300


def test_many_epochs_are_thinned_with_both_ends_kept():
    callback = GradCAMCallback(count=1)
    fitted(1, [callback])
    look = callback.snapshots[0][0]
    callback.snapshots = [[type(look)(**{**vars(look), "epoch": epoch})] for epoch in range(24)]
    titles = [axes.get_title() for axes in callback.plot().axes if axes.get_title()]
    assert len(titles) == 8
    assert titles[1].startswith("epoch 0:")
    assert titles[-1].startswith("epoch 23:")


def test_writes_into_the_run_directory_of_this_projects_learner(tmp_path):
    learn = image_learner("digits", limit=20, epochs=1, device="cpu", out=tmp_path / "run")
    learn.add_cb(GradCAMCallback(count=2))
    learn.fit_recipe()
    assert (tmp_path / "run" / "grad_cam.png").exists()


class Steps(Callback):
    """Counts the training steps."""

    run_valid, done = False, 0

    def after_step(self):
        self.done += 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": "nothing"}, "'nothing': no such module"),
        ({"layer": nn.ReLU()}, "layer \\(ReLU\\): no such module"),
        ({"layer": "10"}, "layer '10' returns"),
        ({"method": "nothing"}, "method 'nothing': choose from"),
    ],
)
def test_what_the_model_does_not_have_is_told_before_the_first_step(changes, message):
    steps = Steps()
    with pytest.raises(CamError, match=message):
        fitted(1, [steps, GradCAMCallback(**changes)])
    assert steps.done == 0


def test_a_module_may_be_the_layer():
    learn = plain_learner()
    learn.logger = lambda row: None
    callbacks = [GradCAMCallback(count=2, layer=layer) for layer in (learn.model[3], "3")]
    learn.fit(1, cbs=callbacks)
    for one, other in zip(*(callback.snapshots[0] for callback in callbacks), strict=True):
        np.testing.assert_array_equal(one.cam, other.cam)


class CallOff(Callback):
    """Raises an exception at an event of one epoch."""

    order = 0

    def __init__(self, epoch, event, exception):
        self.at, self.exception = epoch, exception
        setattr(self, event, self._raise)

    def _raise(self):
        if self.epoch == self.at:
            raise self.exception


def test_an_epoch_that_is_not_validated_is_not_looked_at():
    callback = GradCAMCallback(count=2)
    fitted(3, [callback, CallOff(1, "before_validate", CancelValidException())])
    assert epochs_of(callback) == [0, 2]


def test_the_looks_of_a_fit_stay_through_a_search_for_a_rate_and_give_way_to_the_next_fit(tmp_path):
    callback = GradCAMCallback(every=2, count=2)
    learn = plain_learner(path=tmp_path, cbs=[TrainEvalCallback, Recorder, callback])
    learn.logger = lambda row: None
    learn.fit(1)
    learn.lr_find(num_it=25, show_plot=False)
    assert epochs_of(callback) == [0]
    learn.fit(2)
    assert epochs_of(callback) == [1]


def test_an_interrupted_epoch_is_not_looked_at_later():
    callback = GradCAMCallback(count=2)
    learn = image_learner("digits", size=8, limit=64, batch_size=16, device="cpu", cbs=[callback])
    learn.fit(1, cbs=CallOff(0, "before_backward", CancelFitException()))
    learn.validate()
    assert callback.snapshots == []
