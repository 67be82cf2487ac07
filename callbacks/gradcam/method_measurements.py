"""Figures of a method that are measured once per model: how often its maps can be trusted, and where they point."""

from callbacks.gradcam.estimates import mean_share, share
from callbacks.gradcam.explained import Explained
from callbacks.gradcam.interpretation import GradCAMInterpretation
from callbacks.gradcam.layers import last_layer, plain_model
from callbacks.gradcam.maps import grad_cam, untouched
from callbacks.gradcam.pointing import make_mosaics, pointed_mass
from callbacks.gradcam.report import MethodReport
from callbacks.gradcam.sanity import Randomisation, randomisation_check

MOSAIC_COUNT = 6
MOSAIC_IMAGES = 64  # images that mosaics are made of
RANDOMISATION_IMAGES = 3  # images of the randomisation check


def random_sample(interp: GradCAMInterpretation, correct: int) -> Explained:
    """Images in a random order, right and wrong, until so many correct ones are among them."""
    order, wanted = interp.shuffled(), interp.correct()[:correct]
    return interp.explain(order[: order.index(wanted[-1]) + 1] if wanted else [])


def method_report(interp: GradCAMInterpretation, sample: Explained) -> MethodReport:
    """Of the interpretation's own method, on a random sample, and on mosaics of images that the model gets right."""
    passed = share([trust.passed for trust in sample.trust if trust])
    return MethodReport(interp.method, interp.layer, passed, mean_share(_masses(interp)))


def last_layer_report(interp: GradCAMInterpretation, sample: Explained) -> MethodReport:
    """Of Grad-CAM at the last layer with maps, the one that pytorch-grad-cam's documentation names."""
    net = plain_model(interp.learn.model)
    xb, _ = interp.batch([0])
    with untouched(net, xb.device):
        usual = interp.using("gradcam", last_layer(net, run=lambda: net(xb)))
    return method_report(usual, usual.explain(sample.idxs, sample.targets))


def randomisation(interp: GradCAMInterpretation) -> Randomisation:
    """On some of the correct images, whose maps have most to lose."""
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
