"""The choice of the heatmap method and layer for a model, by tests on images of its training set.

These images are not augmented. Explanations and reports use validation images, which the choice does not use.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from callbacks.gradcam.cells import batch_size_for
from callbacks.gradcam.layers import candidate_layers, plain_model
from callbacks.gradcam.maps import grad_cam, untouched
from callbacks.gradcam.methods import DEFAULT_METHOD
from callbacks.gradcam.pointing import Mosaics, make_mosaics, pointed_mass
from callbacks.gradcam.trust import measure_trust

LAYERS_TRIED = 2  # number of layers that are compared: the last ones, because earlier layers hardly separate classes
METHODS_TRIED = (DEFAULT_METHOD, "gradcam")  # methods that are compared
CONTROLS_PER_MAP = 19  # control areas per map, the fewest for p ≤ 0.05
IMAGES_PER_MOSAIC = 4  # divisor: one mosaic is made per this number of training images


@dataclass(frozen=True)
class Score:
    """The test results of a method at a layer.

    Attributes:
        method: name of the method.
        layer: name of the layer.
        passed: share of the maps with p ≤ 0.05.
        pointed: mean share of a map's mass in the right quarter of a mosaic; None if the model classifies images of
            fewer than four classes correctly.
    """

    method: str
    layer: str
    passed: float
    pointed: float | None

    @property
    def value(self) -> float:
        """The sum of both results: maps should mark the cells that matter and the object of the class."""
        return self.passed + (self.pointed or 0.0)

    def __str__(self) -> str:
        pointed = "" if self.pointed is None else f", {self.pointed:.0%} of the mass on one class of four"
        return f"{self.passed:.0%} of {self.method} maps have p ≤ 0.05{pointed}"


@dataclass(frozen=True)
class Choice:
    """The chosen heatmap method and layer of a model.

    Attributes:
        method: name of the method.
        layer: name of the layer; None for the default of `grad_cam`.
        reason: reason for the choice, in one line.
        images: number of training images that were used; 0 if nothing was measured.
        scores: results of everything that was compared.
    """

    method: str = DEFAULT_METHOD
    layer: str | None = None
    reason: str = "the default"
    images: int = 0
    scores: tuple[Score, ...] = ()

    def __str__(self) -> str:
        return f"{self.method} at {self.layer or 'the default layer'}: {self.reason}"


def choose_method_and_layer(
    model: nn.Module, xb: Tensor, labels: Tensor, methods: Sequence[str] = METHODS_TRIED
) -> Choice:
    """Choose the method and layer of a model's heatmaps.

    First the last two layers with maps of at least 4×4 positions are compared with Grad-CAM, then the methods at the
    better layer.

    Args:
        model: model from images to logits.
        xb: training images B×C×H×W, normalised and not augmented.
        labels: their classes, B numbers.
        methods: names of the methods to compare; a single method is taken without a test.

    Raises:
        CamError: the model has no layer with maps.
    """
    net = plain_model(model)
    with untouched(net, xb.device), torch.no_grad():
        best = torch.cat([net(some).float().softmax(1) for some in xb.split(batch_size_for(xb))]).max(1)
        layers = candidate_layers(net, run=lambda: net(xb[:1]))[-LAYERS_TRIED:]
    right = best.indices == labels
    mosaics = make_mosaics(
        xb[right], labels[right].tolist(), best.values[right].tolist(), -(-len(xb) // IMAGES_PER_MOSAIC)
    )
    score = partial(_score, model, xb, best.indices, mosaics)
    plain = [score("gradcam", layer) for layer in layers]
    top = max(plain, key=lambda score: score.value)
    tried = [top if name == "gradcam" else score(name, top.layer) for name in methods] if len(methods) > 1 else []
    won = max(tried, key=lambda score: score.value, default=top)
    return Choice(
        method=won.method if tried else methods[0],
        layer=top.layer,
        reason=f"on {len(xb)} training images {won}",
        images=len(xb),
        scores=tuple(dict.fromkeys([*plain, *tried])),
    )


def _score(model: nn.Module, xb: Tensor, targets: Tensor, mosaics: Mosaics, method: str, layer: str) -> Score:
    def maps(images: Tensor, classes: Tensor) -> Tensor:
        return grad_cam(model, images, classes, layer, method)

    trust = measure_trust(model, xb, maps(xb, targets), targets, controls=CONTROLS_PER_MAP)
    mass = pointed_mass(mosaics, maps)
    pointed = sum(mass) / len(mass) if mass else None
    return Score(method, layer, sum(t.passed for t in trust) / len(trust), pointed)
