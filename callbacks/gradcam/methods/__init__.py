"""The registry of heatmap methods. A new method is a new module of this package that calls `register`.

A method takes a `Question` and returns maps B×H×W, as float32 or wider. The methods of the Grad-CAM family give
evidence: the value at a place is the evidence, in logits, that the image would hold if all of it looked like that
place, so that the mean over a map is the evidence in the image. Maps of coarse and fine layers are then on one scale.
The measured methods give what the margin loses, in logits, when the place is taken away.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from callbacks.gradcam.question import Question
from data.common.discovery import import_modules

Maps = Callable[[Question], Tensor]  # from a question to maps B×H×W


@dataclass(frozen=True)
class Method:
    """One way to draw a heatmap.

    Attributes:
        maps: from a question to maps B×H×W.
        unit: what a map's values are, for the scale of a figure.
        weak: a figure's scale reaches at least this far, so that weak evidence looks weak.
    """

    maps: Maps
    unit: str
    weak: float


METHODS: dict[str, Method] = {}
DEFAULT_METHOD = "extremal"  # wins both tests on CIFAR-10: benchmarks/heatmaps.py


def register(name: str, unit: str = "evidence (logits)", weak: float = 1.0) -> Callable[[Maps], Maps]:
    """Add the decorated function to `METHODS`."""

    def add(maps: Maps) -> Maps:
        METHODS[name] = Method(maps, unit, weak)
        return maps

    return add


import_modules(__name__, __path__)
