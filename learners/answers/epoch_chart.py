"""A chart of figures by epoch, of one run or several."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from learners.answers.run_report import Rows
from learners.answers.svg import Chart

MARKED = 40  # epochs: points of fewer are marked


class Line(NamedTuple):
    """One line: a column of the rows of a `history.csv`, and what it is called."""

    label: str
    history: Rows
    column: str
    colour: str


def epoch_chart(lines: Sequence[Line]) -> Markup:
    """The lines over the ends of their epochs, with a legend above."""
    with Chart() as chart:
        for line in lines:
            ends = [row["epoch"] + 1 for row in line.history]
            marker = "o" if len(ends) < MARKED else None
            values = [row.get(line.column, math.nan) for row in line.history]  # a NaN leaves a gap
            chart.axes.plot(ends, values, color=line.colour, marker=marker, ms=3, label=line.label)
        chart.axes.set_xlabel("epochs")
        chart.axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        chart.legend_above()
    return chart.svg
