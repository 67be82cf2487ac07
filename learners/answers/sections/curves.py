"""The section with losses and metrics by epoch."""

import math
from collections.abc import Sequence
from itertools import cycle

from markupsafe import Markup

from callbacks.curves import FURTHER_COLOURS, TRAIN_COLOUR, VALID_COLOUR
from learners.answers.epoch_chart import Line, epoch_chart
from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section

LOSSES = {"train_loss": "training", "valid_loss": "validation"}  # labels of the losses by column
OTHER_COLUMNS = {"epoch", "lr", "momentum", "seconds", "images_per_second", *LOSSES}  # columns that are not metrics
METRIC_COLOURS = (VALID_COLOUR, TRAIN_COLOUR, *FURTHER_COLOURS)
TEMPLATE = """
<div class="charts">{% for title, svg in charts %}
<figure><figcaption>{{ title }}</figcaption>{{ svg }}</figure>
{% endfor %}</div>
"""


@section("Curves", order=20)
def curves(report: RunReport) -> Markup | None:
    """Return one chart of the losses, one of the metrics from 0 to 1, and one per other metric."""
    if not report.history:
        return None
    metrics = [name for name in report.history[0] if name not in OTHER_COLUMNS]
    fractions = [name for name in metrics if all(0 <= value <= 1 for value in _values(report, name))]
    charts = [("Loss", _chart(report, LOSSES, (TRAIN_COLOUR, VALID_COLOUR)))]
    if fractions:
        title = _words(fractions[0]).capitalize() if len(fractions) == 1 else "Metrics"
        charts.append(
            (f"{title} on the validation images", _chart(report, {name: name for name in fractions}, METRIC_COLOURS))
        )
    charts += [
        (_words(name).capitalize(), _chart(report, {name: name}, METRIC_COLOURS))
        for name in metrics
        if name not in fractions
    ]
    return render(TEMPLATE, charts=charts)


def _values(report: RunReport, name: str) -> list[float]:
    """Return the values of a column, without those that are NaN."""
    return [row[name] for row in report.history if not math.isnan(row[name])]


def _chart(report: RunReport, labels: dict[str, str], colours: Sequence[str]) -> Markup:
    """Return a chart of columns of `history.csv`.

    Args:
        report: the data of the run.
        labels: labels of the lines by column.
        colours: colours of the lines, which are repeated if there are more lines.
    """
    names = zip(labels.items(), cycle(colours), strict=False)
    return epoch_chart([Line(_words(label), report.history, name, colour) for (name, label), colour in names])


def _words(name: str) -> str:
    return name.replace("_", " ")
