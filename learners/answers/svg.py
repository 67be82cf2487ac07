"""Make figures as SVG for an HTML page; text and axes have the colour of the page's text, in light and dark mode."""

import re
from io import StringIO
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes

from callbacks.picture import Picture

# Size of a figure in inches of 72 CSS pixels. It is no wider than a phone, so that text of 10 points stays readable.
WIDTH, HEIGHT = 4.4, 2.9
INK = "#010203"  # placeholder that is replaced by the colour of the page's text, `currentColor`
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "svg.fonttype": "none",  # text stays text, which takes few bytes and can be selected
    "svg.hashsalt": "report",  # with a fixed value the same figure always has the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


class Chart:
    """A figure with one pair of axes: `with Chart() as chart: chart.axes.plot(…)`, then `chart.svg`.

    Attributes:
        axes: the axes to plot on.
        svg: the figure as SVG, after the end of the context.
    """

    axes: Axes
    svg: Markup

    def legend_above(self) -> None:
        """Add a legend above the axes."""
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
    """Return a figure as SVG without metadata, sizes and ids; two figures of a page would have the same ids."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', r'<svg role="img" \1>', text, count=1)
    return Markup(text.replace(INK, "currentColor"))
