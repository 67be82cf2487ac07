"""The figures of this package: a notebook shows them by itself."""

from io import BytesIO

from matplotlib.figure import Figure

DPI = 110  # a figure of 13 inches fills a wide notebook, and small titles can be read


class Picture(Figure):
    """A matplotlib figure that IPython shows where it is the result of a cell.

    matplotlib's own is shown only once pyplot is imported, and else as the text `<Figure size …>`.
    """

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=DPI)
        return buffer.getvalue()
