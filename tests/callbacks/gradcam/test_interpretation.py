"""The interpretation shows the results of inference with the right image, and keeps no pixels."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from callbacks import GradCAMInterpretation, grad_cam
from callbacks.gradcam.layers import CamError
from callbacks.gradcam.methods import DEFAULT_METHOD
from callbacks.gradcam.plots import SMOOTHING_WIDTH
from tests.callbacks.gradcam.plain_digits import plain_learner


@pytest.fixture(scope="module")
def interp(trained) -> GradCAMInterpretation:
    return GradCAMInterpretation.from_learner(trained)


def one_by_one(learn) -> tuple[Tensor, list[int], Tensor]:
    """Probabilities, labels and losses of the validation images, each passed alone through the model."""
    net, logits = learn.model.eval(), []
    with torch.no_grad():
        for image, _ in learn.dls.valid_ds:
            logits.append(net((image.as_subclass(Tensor)[None] - 0.3) / 0.4)[0])
    labels = [int(label) for _, label in learn.dls.valid_ds]
    logits = torch.stack(logits)
    return logits.softmax(1), labels, nn.functional.cross_entropy(logits, torch.tensor(labels), reduction="none")


def titled(figure) -> list:
    """The axes that contain an image."""
    return [axes for axes in figure.axes if axes.get_title()]


def test_top_losses_titles_images_and_maps_are_those_of_the_images(trained, interp):
    probabilities, labels, losses = one_by_one(trained)
    axes = titled(interp.plot_top_losses(5))
    assert len(axes) == 10
    for rank, i in enumerate(losses.argsort(descending=True)[:5].tolist()):
        image_axes, heat_axes = axes[2 * rank], axes[2 * rank + 1]
        guess = int(probabilities[i].argmax())
        assert image_axes.get_title() == f"true digit {labels[i]}\npredicted digit {guess}"
        assert heat_axes.get_title().startswith(f"digit {guess} {probabilities[i, guess]:.0%} · p ")

        pixels = trained.dls.valid_ds[i][0].as_subclass(Tensor)
        np.testing.assert_allclose(image_axes.images[0].get_array()[..., 0], pixels[0], atol=1e-6)
        cam = grad_cam(trained.model, (pixels[None] - 0.3) / 0.4, [guess], method=DEFAULT_METHOD)[0]
        np.testing.assert_allclose(
            heat_axes.images[1].get_array(), gaussian_filter(cam, 16 * SMOOTHING_WIDTH), rtol=1e-2, atol=1e-3
        )


def test_titles_tell_the_p_values_of_the_maps(interp):
    explained = interp.explain(interp.wrong()[:6])
    assert len(explained.trust) == 6
    for panel, trust in zip(interp.heat_panels(explained), explained.trust, strict=True):
        assert panel.title.endswith(f"· p {trust.p:.2f}")


def test_plain_grad_cam_is_one_word_away(trained):
    interp = GradCAMInterpretation.from_learner(trained, method="gradcam")
    explained = interp.explain([0, 1])
    expected = grad_cam(trained.model, interp.batch([0, 1])[0], explained.targets)
    np.testing.assert_allclose(explained.cams, expected, rtol=1e-5, atol=1e-6)


def test_one_scale_of_evidence_in_a_figure(interp):
    axes = titled(interp.plot_correct(4))
    limits = {a.images[1].get_clim() for a in axes if len(a.images) == 2}
    assert len(limits) == 1
    assert limits.pop()[0] == 0


def test_images_of_several_batches_and_of_a_batch_of_one(trained, interp, monkeypatch):
    interp = interp.using("gradcam", None)
    monkeypatch.setattr("callbacks.gradcam.interpretation.measure_trust", lambda *args: [])
    last = len(trained.dls.valid_ds) - 1
    assert last % trained.dls.valid.bs == 0  # alone in its batch
    start = int((interp.targs != interp.targs[last]).nonzero()[0])
    idxs = [*range(start, start + trained.dls.valid.bs), last]
    explained = interp.explain(idxs, interp.targs[idxs])
    for n in (0, len(idxs) - 1):
        pixels = trained.dls.valid_ds[idxs[n]][0].as_subclass(Tensor)
        np.testing.assert_allclose(explained.images[n][..., 0], pixels[0], atol=1e-6)
        cam = grad_cam(trained.model, (pixels[None] - 0.3) / 0.4, interp.targs[idxs[n : n + 1]])[0]
        assert cam.max() > 0
        np.testing.assert_allclose(explained.cams[n], cam, rtol=1e-4, atol=1e-4)


def test_inference_runs_once_and_pixels_are_not_kept(trained, monkeypatch):
    calls = []
    original = trained.get_preds
    monkeypatch.setattr(trained, "get_preds", lambda *a, **k: calls.append(1) or original(*a, **k))
    interp = GradCAMInterpretation.from_learner(trained)
    interp.plot_top_losses(2)
    interp.plot_correct(2)
    interp.confusion_matrix()
    interp.most_confused()
    interp.print_classification_report()
    assert len(calls) == 1
    kept = sum(value.numel() for value in vars(interp).values() if isinstance(value, Tensor))
    assert kept == 257 * (10 + 3)  # probabilities; label, prediction and loss


def test_wrong_correct_and_confused_part_the_images(trained, interp):
    probabilities, labels, losses = one_by_one(trained)
    guesses = probabilities.argmax(1).tolist()
    wrong = sorted((i for i in range(257) if guesses[i] != labels[i]), key=lambda i: -losses[i])
    assert interp.wrong() == wrong
    assert sorted(interp.correct() + wrong) == list(range(257))
    true, guess, count = interp.most_confused()[0]
    found = interp.confused((true, guess))
    assert len(found) == count
    assert all(f"digit {labels[i]}" == true and f"digit {guesses[i]}" == guess for i in found)
    assert len(titled(interp.plot_confused((true, guess), 2))) == 2 * min(2, count)
    with pytest.raises(CamError, match="'cat': choose from digit 0"):
        interp.plot_confused(("cat", "digit 1"))


def test_confusion_matrix_is_fastai_s(trained, interp):
    from fastai.interpret import ClassificationInterpretation

    theirs = ClassificationInterpretation.from_learner(trained).confusion_matrix()
    np.testing.assert_array_equal(interp.confusion_matrix(), theirs)


def test_why_wrong_compares_the_two_classes(interp):
    axes = titled(interp.plot_why_wrong(3))
    i = interp.wrong()[1]
    image, predicted, true, difference = axes[4:8]
    assert image.get_title() == f"true digit {interp.targs[i]}\npredicted digit {interp.decoded[i]}"
    assert predicted.get_title().startswith(f"digit {interp.decoded[i]} ")
    assert (
        true.get_title() == f"digit {interp.targs[i]} {interp.preds[i, interp.targs[i]]:.0%}"
    )  # no p-value, because the heatmap was not tested
    assert difference.get_title() == f"digit {interp.decoded[i]} minus digit {interp.targs[i]}"
    maps = [axes.images[1].get_array() for axes in (predicted, true, difference)]
    np.testing.assert_allclose(maps[2], maps[0] - maps[1], atol=1e-6)


def test_a_figure_of_no_images_has_its_heading(interp):
    figure = interp.plot_why_wrong(0)
    assert figure.get_suptitle().startswith("Why wrong")


def test_a_loss_without_activation_gives_probabilities():
    def bare_loss(pred, target, reduction="mean"):
        return nn.functional.cross_entropy(pred.as_subclass(Tensor), target.as_subclass(Tensor), reduction=reduction)

    learn = plain_learner(loss_func=bare_loss)
    preds = GradCAMInterpretation.from_learner(learn).preds
    torch.testing.assert_close(preds.sum(1), torch.ones(257))


def test_a_wrong_layer_is_told_before_inference(trained, monkeypatch):
    monkeypatch.setattr(trained, "get_preds", None)
    with pytest.raises(CamError, match="no such module"):
        GradCAMInterpretation.from_learner(trained, layer="layer9")
