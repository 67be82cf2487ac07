"""Figures of images and heatmaps: one scale of evidence a figure, in logits, and a bar that shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

RIGHT, WRONG, PLAIN = "#1b6e3c", "#b3261e", "#222222"
SIDE, BAR = 1.75, 0.08  # inches of one image; width of a scale's bar, in images
LEAST = 1.0  # logit at the end of the scale at the least: less is not to look like much
GREY = 0.3  # what black becomes under a heatmap
LONGEST = 16  # characters of a class name in a title


def short_name(name: object) -> str:
    """A class name that leaves room for the rest of a title."""
    return str(name) if len(str(name)) <= LONGEST else f"{str(name)[: LONGEST - 1]}…"


@dataclass(frozen=True)
class Panel:
    """One image of a figure.

    Attributes:
        image: H×W×C, from 0 to 1.
        title: one line or two.
        heat: H×W in logits, drawn over the image.
        signed: the heat is a difference, drawn in two colours.
    """

    image: np.ndarray
    title: str
    heat: np.ndarray | None = None
    signed: bool = False
    colour: str = PLAIN


def draw(panels: Sequence[Panel], columns: int, heading: str) -> Figure:
    """The panels in rows of `columns`; all heat of one kind is on one scale."""
    columns = min(columns, len(panels)) or 1
    rows = -(-len(panels) // columns) or 1
    kinds = [signed for signed in (False, True) if any(p.heat is not None and p.signed == signed for p in panels)]
    size = (max(columns * SIDE, 5.5) + 0.9 * len(kinds), rows * (SIDE + 0.36) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(heading, fontsize=11)
    grid = figure.add_gridspec(rows, columns + len(kinds), width_ratios=[1] * columns + [BAR] * len(kinds))
    scales = {signed: _scale([p.heat for p in panels if p.heat is not None and p.signed == signed]) for signed in kinds}
    for place in range(rows * columns):
        axes = figure.add_subplot(grid[divmod(place, columns)])
        axes.set_axis_off()
        if place < len(panels):
            _draw_panel(axes, panels[place], scales)
    for column, signed in enumerate(kinds, columns):
        _draw_bar(figure.add_subplot(grid[:, column]), scales[signed], signed)
    return figure


def _scale(heats: Sequence[np.ndarray]) -> float:
    return max(LEAST, *(float(np.abs(heat).max()) for heat in heats))


def _draw_panel(axes, panel: Panel, scales: dict[bool, float]) -> None:
    axes.set_title(panel.title, fontsize=8, color=panel.colour, pad=3)
    image = panel.image.repeat(3, 2) if panel.image.shape[2] == 1 else panel.image
    if panel.heat is not None:  # colour is left to the evidence, which black would swallow
        image = GREY + (1 - GREY) * image.mean(2, keepdims=True).repeat(3, 2)
    axes.imshow(image, interpolation="nearest")
    if panel.heat is not None:
        norm = _norm(scales[panel.signed], panel.signed)
        axes.imshow(panel.heat, norm=norm, cmap=_colours(panel.signed), interpolation="bilinear")


def _norm(scale: float, signed: bool) -> Normalize:
    return Normalize(-scale if signed else 0, scale)


def _colours(signed: bool) -> ListedColormap:
    """Colours that are clear where there is no evidence, so that the image shows through."""
    level = np.linspace(-1 if signed else 0, 1, 256)
    colours = colormaps["RdBu_r" if signed else "inferno"](np.linspace(0 if signed else 0.35, 1, 256))
    colours[:, 3] = 0.85 * np.abs(level) ** 0.6
    return ListedColormap(colours)


def _draw_bar(axes, scale: float, signed: bool) -> None:
    drawn = ScalarMappable(_norm(scale, signed), _colours(signed))
    bar = axes.figure.colorbar(drawn, cax=axes)
    bar.set_label("predicted less true (logits)" if signed else "evidence (logits)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
