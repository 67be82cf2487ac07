"""Figures as SVG within a page: their text and axes take the colour of the page's text, in light and dark."""

import re
from io import StringIO
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes

from callbacks.picture import Picture

WIDTH, HEIGHT = 4.4, 2.9  # inches, of 72 CSS pixels: as wide as a phone, so that text of 10 points stays readable
INK = "#010203"  # stands for the colour of the page's text, which matplotlib has no name for
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "svg.fonttype": "none",  # text stays text: it is small, and a reader can mark it
    "svg.hashsalt": "report",  # the same figure has the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


class Chart:
    """One figure with one pair of axes: `with Chart() as chart: chart.axes.plot(…)`, then `chart.svg`.

    Attributes:
        axes: to draw on.
        svg: the figure, once the block has ended.
    """

    axes: Axes
    svg: Markup

    def legend_above(self) -> None:
        """A legend that covers nothing of the figure."""
        self._figure.legend(loc="outside upper left", ncols=2, fontsize=9)

    def __enter__(self) -> "Chart":
        self._style = rc_context(STYLE)
        self._style.__enter__()
        self._figure = Picture(figsize=(WIDTH, HEIGHT), layout="constrained")
        self.axes = self._figure.subplots()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self.svg = _inline(self._figure)
        finally:
            self._style.__exit__(None, None, None)


def _inline(figure: Picture) -> Markup:
    """Without what only a file of its own needs, and without names that two figures of a page would share."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg role="img" \1>', text, count=1)
    return Markup(text.replace(INK, "currentColor"))
