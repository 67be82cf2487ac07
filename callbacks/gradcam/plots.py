"""Figures of images and heatmaps: one scale of evidence a figure, and a bar that shows it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize
from scipy.ndimage import gaussian_filter

from callbacks.picture import Picture

RIGHT_COLOUR, WRONG_COLOUR, PLAIN_COLOUR = (
    "#0b5394",
    "#b45f06",
    "#222222",
)  # blue and orange differ for the colour-blind too
IMAGE_INCHES, BAR_WIDTH = 1.6, 0.08  # inches of one image; width of a scale's bar, in images
CLIPPED_SHARE = 0.1  # share of a figure's maps whose strongest places may lie beyond the scale
MIN_GREY = 0.35  # grey level that black becomes under a heatmap
MAX_OPACITY = 0.8  # of the strongest colours of a heatmap: the image shows through
SMOOTHING_WIDTH = 1 / 24  # of the side: a third of a cell, so that the eye sees areas and not squares
MAX_NAME_CHARS = 14  # characters of a class name in a title
EVIDENCE_COLOURS = LinearSegmentedColormap.from_list("evidence", ["#7a0177", "#d7301f", "#fd8d3c", "#ffe34d"])
DIFFERENCE_COLOURS = LinearSegmentedColormap.from_list(
    "difference", ["#053061", "#4393c3", "#f7f7f7", "#fd8d3c", "#8c2d04"]
)


def short_name(name: object) -> str:
    """A class name that leaves room for the rest of a title."""
    return str(name) if len(str(name)) <= MAX_NAME_CHARS else f"{str(name)[: MAX_NAME_CHARS - 1]}…"


@dataclass(frozen=True)
class Panel:
    """One image of a figure.

    Attributes:
        image: H×W×C, from 0 to 1.
        title: one line or two.
        heat: H×W, drawn over the image.
        signed: the heat is a difference, drawn in two colours.
    """

    image: np.ndarray
    title: str
    heat: np.ndarray | None = None
    signed: bool = False
    colour: str = PLAIN_COLOUR


@dataclass(frozen=True)
class Scale:
    """What the colours of a figure's maps mean.

    Attributes:
        unit: of the maps' values.
        weak: the scale reaches at least this far, so that weak evidence looks weak.
    """

    unit: str = "evidence (logits)"
    weak: float = 1.0

    def end(self, heats: Sequence[np.ndarray]) -> float:
        """The strongest colour: what nine of ten maps do not exceed, so that no outlier makes the others faint."""
        return max(self.weak, float(np.quantile([np.abs(heat).max() for heat in heats], 1 - CLIPPED_SHARE)))


def plot_panels(panels: Sequence[Panel], columns: int, heading: str, scale: Scale | None = None) -> Picture:
    """The panels in rows of `columns`; all heat of one kind is on one scale."""
    scale = scale or Scale()
    columns = min(columns, len(panels)) or 1
    rows = -(-len(panels) // columns) or 1
    heats = _by_kind(panels)
    size = (max(columns * IMAGE_INCHES, 5.5) + 0.9 * len(heats), rows * (IMAGE_INCHES + 0.3) + 0.6)
    figure = Picture(figsize=size, layout="constrained")
    figure.suptitle(heading, fontsize=11)
    widths = [1] * columns + [BAR_WIDTH] * len(heats)
    grid = figure.add_gridspec(rows, columns + len(heats), width_ratios=widths)
    ends = {signed: scale.end(some) for signed, some in heats.items()}
    for place in range(rows * columns):
        axes = figure.add_subplot(grid[divmod(place, columns)])
        axes.set_axis_off()
        if place < len(panels):
            _plot_panel(axes, panels[place], ends)
    for column, signed in enumerate(heats, columns):
        _plot_colour_bar(figure.add_subplot(grid[:, column]), heats[signed], ends[signed], signed, scale.unit)
    return figure


def _by_kind(panels: Sequence[Panel]) -> dict[bool, list[np.ndarray]]:
    heats: dict[bool, list[np.ndarray]] = {}
    for panel in sorted(panels, key=lambda panel: panel.signed):
        if panel.heat is not None:
            heats.setdefault(panel.signed, []).append(panel.heat)
    return heats


def _plot_panel(axes: Axes, panel: Panel, ends: dict[bool, float]) -> None:
    axes.set_title(panel.title, fontsize=8, color=panel.colour, pad=3)
    image = panel.image.repeat(3, 2) if panel.image.shape[2] == 1 else panel.image
    if panel.heat is not None:  # in grey, so that all colour is evidence, and light, so that colours show on it
        image = greyed(image).repeat(3, 2)
    axes.imshow(image, interpolation="nearest")
    if panel.heat is not None:
        norm = norm_of(ends[panel.signed], panel.signed)
        axes.imshow(smoothed(panel.heat), norm=norm, cmap=colours_of(panel.signed), interpolation="bilinear")


def greyed(image: np.ndarray) -> np.ndarray:
    """An image H×W×C of values from 0 to 1 as heat is drawn over it: H×W×1."""
    return MIN_GREY + (1 - MIN_GREY) * image.mean(2, keepdims=True)


def smoothed(heat: np.ndarray) -> np.ndarray:
    """A heatmap H×W without the edges of its cells."""
    return gaussian_filter(heat, min(heat.shape) * SMOOTHING_WIDTH)


def norm_of(end: float, signed: bool) -> Normalize:
    """From evidence to 0…1, where `end` is the strongest colour."""
    return Normalize(-end if signed else 0, end)


def colours_of(signed: bool) -> ListedColormap:
    """Colours that are clear where there is no evidence, so that the image shows through."""
    level = np.linspace(-1 if signed else 0, 1, 256)
    colours = (DIFFERENCE_COLOURS if signed else EVIDENCE_COLOURS)(np.linspace(0, 1, 256))
    colours[:, 3] = MAX_OPACITY * np.abs(level) ** 0.5
    return ListedColormap(colours)


def _plot_colour_bar(axes: Axes, heats: Sequence[np.ndarray], end: float, signed: bool, unit: str) -> None:
    beyond = sum(np.abs(heat).max() > end * (1 + 1e-6) for heat in heats)
    drawn = ScalarMappable(norm_of(end, signed), colours_of(signed))
    bar = axes.figure.colorbar(drawn, cax=axes, extend=("both" if signed else "max") if beyond else "neither")
    label = f"predicted less true: {unit}" if signed else unit
    bar.set_label(f"{label}\n{beyond} of {len(heats)} maps go beyond the scale" if beyond else label, fontsize=8)
    bar.ax.tick_params(labelsize=8)
