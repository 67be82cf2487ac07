"""The layout of figures of heatmaps: nothing is cut off and nothing overlaps."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from callbacks.gradcam.plots import EVIDENCE_COLOURS, Panel, Scale, colours_of, plot_panels

LONG = "automobile 88% · p 0.03"


def compared(count: int) -> list[Panel]:
    """The panels of a why-wrong grid of this number of images."""
    rng = np.random.default_rng(0)
    image, heat = rng.random((32, 32, 3)), 3 * rng.random((32, 32))
    one = [
        Panel(image, "true automobile\npredicted truck"),
        Panel(image, LONG, heat),
        Panel(image, LONG, heat / 2),
        Panel(image, "automobile minus truck", heat / 2, signed=True),
    ]
    return count * one


@pytest.mark.parametrize(
    ("panels", "columns"),
    [(compared(1), 8), (compared(2), 8), (compared(3), 8), (compared(8), 8), (compared(1)[1:2], 5), (compared(7), 5)],
    ids=["one image", "one row", "a row and a half", "four rows", "one map", "many"],
)
def test_nothing_is_cut_off_and_nothing_overlaps(panels, columns):
    figure = plot_panels(panels, columns, "Why wrong: the evidence")
    FigureCanvasAgg(figure).draw()
    boxes = [box for axes in figure.axes if (box := axes.get_tightbbox()).width > 0]
    whole = figure.bbox.padded(1)
    assert all(whole.contains(*box.min) and whole.contains(*box.max) for box in boxes)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].padded(-1).overlaps(pair[1].padded(-1))]


def heat_of(figure, n: int):
    return figure.axes[n].images[1]


def test_one_outlier_does_not_set_the_scale_and_is_told():
    """One of eleven maps is a hundred times as strong as the others."""
    image, heat = np.zeros((8, 8, 3)), np.full((8, 8), 2.0)
    panels = [Panel(image, "", heat * (100 if n == 3 else 1)) for n in range(11)]
    figure = plot_panels(panels, 4, "")
    assert heat_of(figure, 0).get_clim() == (0, 2)
    assert "1 of 11 maps go beyond the scale" in figure.axes[-1].get_ylabel()


def test_weak_evidence_looks_weak_and_none_is_clear():
    image = np.full((8, 8, 3), 0.5)
    figure = plot_panels([Panel(image, "", np.full((8, 8), 0.01))], 1, "", Scale("logits", weak=0.2))
    assert heat_of(figure, 0).get_clim() == (0, 0.2)
    assert figure.axes[-1].get_ylabel() == "logits"
    assert colours_of(False)(0.0)[3] == 0
    assert colours_of(False)(0.05)[3] < 0.25
    assert colours_of(True)(0.5)[3] < 0.06


def test_colours_grow_lighter_with_the_evidence_for_every_kind_of_eye():
    """Lightness alone shows the order, so that colour-blind people can read the heatmap."""
    red, green, blue = EVIDENCE_COLOURS(np.linspace(0, 1, 32))[:, :3].T
    assert (np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) > 0).all()
