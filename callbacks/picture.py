"""A matplotlib figure that a notebook shows without further calls."""

from io import BytesIO

from matplotlib.figure import Figure

DPI = 110  # pixels per inch: a figure of 13 inches fills a wide notebook, and small titles are readable


class Picture(Figure):
    """A matplotlib figure that IPython shows as an image when it is the result of a cell.

    IPython shows matplotlib's own `Figure` as the text `<Figure size …>` until pyplot is imported.
    """

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()
