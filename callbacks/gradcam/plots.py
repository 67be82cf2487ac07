"""Figures of images and heatmaps, with one colour scale per figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, Normalize
from scipy.ndimage import gaussian_filter

from callbacks.picture import Picture

RIGHT_COLOUR, WRONG_COLOUR = "#0b5394", "#b45f06"  # blue and orange, which colour-blind people can tell apart
PLAIN_COLOUR = "#222222"  # colour of titles that are neither right nor wrong
IMAGE_INCHES = 1.6  # side of an image in a figure
BAR_WIDTH = 0.08  # width of a colour bar, in widths of an image
CLIPPED_SHARE = 0.1  # share of a figure's maps whose largest values may lie above the colour scale
MIN_GREY = 0.35  # grey level of black pixels under a heatmap
MAX_OPACITY = 0.8  # opacity of the strongest colour of a heatmap; below 1 so that the image is visible
SMOOTHING_WIDTH = 1 / 24  # smoothing of a heatmap, in its sides: a third of a cell, so that no squares are visible
MAX_NAME_CHARS = 14  # characters of a class name in a title
EVIDENCE_COLOURS = LinearSegmentedColormap.from_list("evidence", ["#7a0177", "#d7301f", "#fd8d3c", "#ffe34d"])
DIFFERENCE_COLOURS = LinearSegmentedColormap.from_list(
    "difference", ["#053061", "#4393c3", "#f7f7f7", "#fd8d3c", "#8c2d04"]
)


def short_name(name: object) -> str:
    """Return a class name, shortened if it is too long for a title."""
    return str(name) if len(str(name)) <= MAX_NAME_CHARS else f"{str(name)[: MAX_NAME_CHARS - 1]}…"


@dataclass(frozen=True)
class Panel:
    """An image of a figure.

    Attributes:
        image: pixels from 0 to 1, H×W×C.
        title: title of one or two lines.
        heat: heatmap to show over the image, H×W.
        signed: whether the heatmap is a difference, which is shown in two colours.
        colour: colour of the title.
    """

    image: np.ndarray
    title: str
    heat: np.ndarray | None = None
    signed: bool = False
    colour: str = PLAIN_COLOUR


@dataclass(frozen=True)
class Scale:
    """The colour scale of a figure.

    Attributes:
        unit: name and unit of the maps' values.
        weak: smallest upper end of the scale, so that weak evidence looks weak.
    """

    unit: str = "evidence (logits)"
    weak: float = 1.0

    def end(self, heats: Sequence[np.ndarray]) -> float:
        """Return the value of the strongest colour: 90% of the heatmaps do not exceed it.

        A few strong heatmaps thus do not make the others faint.
        """
        return max(self.weak, float(np.quantile([np.abs(heat).max() for heat in heats], 1 - CLIPPED_SHARE)))


def plot_panels(panels: Sequence[Panel], columns: int, heading: str, scale: Scale | None = None) -> Picture:
    """Plot the panels in rows, with one colour scale for the heatmaps and one for the differences.

    Args:
        panels: images of the figure.
        columns: largest number of panels in a row.
        heading: title of the figure.
        scale: colour scale of the heatmaps.
    """
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
    for position in range(rows * columns):
        axes = figure.add_subplot(grid[divmod(position, columns)])
        axes.set_axis_off()
        if position < len(panels):
            _plot_panel(axes, panels[position], ends)
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
    if panel.heat is not None:  # a light grey image, so that only the heatmap has colour and is clearly visible
        image = greyed(image).repeat(3, 2)
    axes.imshow(image, interpolation="nearest")
    if panel.heat is not None:
        norm = norm_of(ends[panel.signed], panel.signed)
        axes.imshow(smoothed(panel.heat), norm=norm, cmap=colours_of(panel.signed), interpolation="bilinear")


def greyed(image: np.ndarray) -> np.ndarray:
    """Return an image (H×W×C, from 0 to 1) in light grey (H×W×1), as the background of a heatmap."""
    return MIN_GREY + (1 - MIN_GREY) * image.mean(2, keepdims=True)


def smoothed(heat: np.ndarray) -> np.ndarray:
    """Return a heatmap H×W with the edges of its cells smoothed."""
    return gaussian_filter(heat, min(heat.shape) * SMOOTHING_WIDTH)


def norm_of(end: float, signed: bool) -> Normalize:
    """Return the mapping from evidence to colours.

    Args:
        end: evidence of the strongest colour.
        signed: whether the scale goes from `-end` to `end` instead of from 0.
    """
    return Normalize(-end if signed else 0, end)


def colours_of(signed: bool) -> ListedColormap:
    """Return the colours of heatmaps; those of zero evidence are transparent, so that the image is visible.

    Args:
        signed: whether the colours are those of differences.
    """
    level = np.linspace(-1 if signed else 0, 1, 256)
    colours = (DIFFERENCE_COLOURS if signed else EVIDENCE_COLOURS)(np.linspace(0, 1, 256))
    colours[:, 3] = MAX_OPACITY * np.abs(level) ** 0.5
    return ListedColormap(colours)


def _plot_colour_bar(axes: Axes, heats: Sequence[np.ndarray], end: float, signed: bool, unit: str) -> None:
    beyond = sum(np.abs(heat).max() > end * (1 + 1e-6) for heat in heats)
    mappable = ScalarMappable(norm_of(end, signed), colours_of(signed))
    bar = axes.figure.colorbar(mappable, cax=axes, extend=("both" if signed else "max") if beyond else "neither")
    label = f"predicted minus true: {unit}" if signed else unit
    bar.set_label(f"{label}\n{beyond} of {len(heats)} maps go beyond the scale" if beyond else label, fontsize=8)
    bar.ax.tick_params(labelsize=8)
