"""Figures of heatmaps as they are laid out: nothing is cut off, nothing overlaps."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from callbacks.gradcam.plots import Panel, draw

LONG = "for automobile: 88%\nloss 3.31, uninformative"


def compared(count: int) -> list[Panel]:
    """What a why-wrong grid shows of so many images."""
    rng = np.random.default_rng(0)
    image, heat = rng.random((32, 32, 3)), 3 * rng.random((32, 32))
    one = [
        Panel(image, "true automobile\npredicted truck"),
        Panel(image, LONG, heat),
        Panel(image, LONG, heat / 2),
        Panel(image, "difference", heat / 2, signed=True),
    ]
    return count * one


@pytest.mark.parametrize(
    ("panels", "columns"),
    [(compared(1), 8), (compared(2), 8), (compared(3), 8), (compared(8), 8), (compared(1)[1:2], 5), (compared(7), 5)],
    ids=["one image", "one row", "a row and a half", "four rows", "one map", "many"],
)
def test_nothing_is_cut_off_and_nothing_overlaps(panels, columns):
    figure = draw(panels, columns, "Why wrong: the evidence")
    FigureCanvasAgg(figure).draw()
    boxes = [box for axes in figure.axes if (box := axes.get_tightbbox()).width > 0]
    whole = figure.bbox.padded(1)
    assert all(whole.contains(*box.min) and whole.contains(*box.max) for box in boxes)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].padded(-1).overlaps(pair[1].padded(-1))]
