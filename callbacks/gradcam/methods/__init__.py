"""The registry of heatmap methods. A new method is a new module of this package that calls `register`.

A method takes a `Question` and returns maps B×H×W, as float32 or wider. The values of the Grad-CAM family are evidence
in logits, scaled so that the mean over a map is the evidence in the image; maps of coarse and fine layers then have the
same scale. The values of the measured methods are falls of the class's margin, in logits, when that part of the image
is removed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from callbacks.gradcam.question import Question
from data.common.discovery import import_modules

Maps = Callable[[Question], Tensor]  # function that returns the maps B×H×W of a question


@dataclass(frozen=True)
class Method:
    """A heatmap method.

    Attributes:
        maps: function that returns the maps B×H×W of a question.
        unit: name and unit of a map's values, for the colour bar of a figure.
        weak: smallest upper end of a figure's colour scale, so that weak evidence looks weak.
    """

    maps: Maps
    unit: str
    weak: float


METHODS: dict[str, Method] = {}
DEFAULT_METHOD = "extremal"  # best in both tests on CIFAR-10, see benchmarks/heatmaps.py


def register(name: str, unit: str = "evidence (logits)", weak: float = 1.0) -> Callable[[Maps], Maps]:
    """Return a decorator that adds a function to `METHODS`.

    Args:
        name: name of the method.
        unit, weak: see `Method`.
    """

    def add(maps: Maps) -> Maps:
        METHODS[name] = Method(maps, unit, weak)
        return maps

    return add


import_modules(__name__, __path__)
