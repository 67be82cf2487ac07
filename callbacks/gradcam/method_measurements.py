"""Tests of a heatmap method that are done once per model: p-values, mosaics and random weights."""

from callbacks.gradcam.estimates import mean_share, share
from callbacks.gradcam.explained import Explained
from callbacks.gradcam.interpretation import GradCAMInterpretation
from callbacks.gradcam.layers import last_layer, plain_model
from callbacks.gradcam.maps import grad_cam, untouched
from callbacks.gradcam.pointing import make_mosaics, pointed_mass
from callbacks.gradcam.report import MethodReport
from callbacks.gradcam.sanity import Randomisation, randomisation_check

MOSAIC_COUNT = 6  # mosaics that are tested
MOSAIC_IMAGES = 64  # images from which the mosaics are made
RANDOMISATION_IMAGES = 3  # images of the test with random weights


def random_sample(interp: GradCAMInterpretation, correct: int) -> Explained:
    """Return images in a random order with their heatmaps, up to the image that is the `correct`-th correct one."""
    order, chosen = interp.shuffled(), interp.correct()[:correct]
    return interp.explain(order[: order.index(chosen[-1]) + 1] if chosen else [])


def method_report(interp: GradCAMInterpretation, sample: Explained) -> MethodReport:
    """Test the interpretation's method on a random sample, and on mosaics of correctly classified images."""
    passed = share([trust.passed for trust in sample.trust if trust])
    return MethodReport(interp.method, interp.layer, passed, mean_share(_masses(interp)))


def last_layer_report(interp: GradCAMInterpretation, sample: Explained) -> MethodReport:
    """Test Grad-CAM at the last layer with maps, which the documentation of pytorch-grad-cam recommends."""
    net = plain_model(interp.learn.model)
    xb, _ = interp.batch([0])
    with untouched(net, xb.device):
        usual = interp.using("gradcam", last_layer(net, run=lambda: net(xb)))
    return method_report(usual, usual.explain(sample.idxs, sample.targets))


def randomisation(interp: GradCAMInterpretation) -> Randomisation:
    """Compare heatmaps with those of the model with random weights, on correctly classified images if there are any."""
    used = (interp.correct() or interp.wrong())[:RANDOMISATION_IMAGES]
    xb, _ = interp.batch(used)
    return randomisation_check(interp.learn.model, xb, interp.decoded[used], interp.layer, interp.method)


def _masses(interp: GradCAMInterpretation) -> list[float]:
    used = interp.correct()[:MOSAIC_IMAGES]
    if not used:
        return []
    classes = interp.decoded[used]
    sure = interp.preds[used].gather(1, classes[:, None])[:, 0]
    mosaics = make_mosaics(interp.batch(used)[0], classes.tolist(), sure.tolist(), MOSAIC_COUNT)
    return pointed_mass(mosaics, lambda xb, t: grad_cam(interp.learn.model, xb, t, interp.layer, interp.method))
