"""Choose method and layer for the heatmaps of one model, by what they do on images of its training set.

Those images are not augmented, and they are never the ones that are explained and reported on.
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

LAYERS_TRIED = 2  # the last ones are compared: earlier ones hardly know classes
METHODS_TRIED = (DEFAULT_METHOD, "gradcam")
CONTROLS_PER_MAP = 19  # for each map: enough for p ≤ 0.05, and most maps that fail do so after a few
IMAGES_PER_MOSAIC = 4  # images


@dataclass(frozen=True)
class Score:
    """How a method at a layer did: the share of its maps with p ≤ 0.05, and their mean mass in the right quarter.

    The mass is None where the model gets fewer than four classes right.
    """

    method: str
    layer: str
    passed: float
    pointed: float | None

    @property
    def value(self) -> float:
        """Both count alike: maps should find the cells that matter, and the object of the class."""
        return self.passed + (self.pointed or 0.0)

    def __str__(self) -> str:
        pointed = "" if self.pointed is None else f", {self.pointed:.0%} of the mass on one class of four"
        return f"{self.passed:.0%} of {self.method} maps have p ≤ 0.05{pointed}"


@dataclass(frozen=True)
class Choice:
    """Method and layer for the heatmaps of a model.

    Attributes:
        layer: None for the default of `grad_cam`.
        reason: a line that says why.
        images: how many training images they were chosen on; 0 if nothing was measured.
        scores: of all that was compared.
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
    """Compare the last layers of at least 4×4 places by plain Grad-CAM, then the methods at the best one.

    Args:
        model: maps images to logits.
        xb: training images B×C×H×W as the model takes them, not augmented.
        labels: their classes, B numbers.
        methods: to compare; a single one is not measured.

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
