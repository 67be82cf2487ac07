"""A chart of losses, metrics or learning rates by epoch, of one run or several runs."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from learners.answers.run_report import Rows
from learners.answers.svg import Chart

MAX_MARKED_EPOCHS = 40  # number of epochs from which the points of a line are no longer marked


class Line(NamedTuple):
    """One line of a chart: a column of a `history.csv`, with its label and colour."""

    label: str
    history: Rows
    column: str
    colour: str


def epoch_chart(lines: Sequence[Line]) -> Markup:
    """Return a chart of the lines by epoch as SVG, with a legend above."""
    with Chart() as chart:
        for line in lines:
            ends = [row["epoch"] + 1 for row in line.history]
            marker = "o" if len(ends) < MAX_MARKED_EPOCHS else None
            values = [row.get(line.column, math.nan) for row in line.history]  # NaN makes a gap
            chart.axes.plot(ends, values, color=line.colour, marker=marker, ms=3, label=line.label)
        chart.axes.set_xlabel("epochs")
        chart.axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        chart.legend_above()
    return chart.svg
