"""Losses and metrics by epoch."""

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from callbacks.curves import FURTHER, TRAIN, VALID
from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section
from learners.answers.svg import Chart

LOSSES = {"train_loss": "training", "valid_loss": "validation"}
NO_METRICS = {"epoch", "lr", "momentum", "seconds", "images_per_second", *LOSSES}
TEMPLATE = """
<div class="charts">{% for title, svg in charts %}
<figure><figcaption>{{ title }}</figcaption>{{ svg }}</figure>
{% endfor %}</div>
"""


@section("Curves", order=20)
def curves(report: RunReport) -> Markup | None:
    if not report.history:
        return None
    metrics = [name for name in report.history[0] if name not in NO_METRICS]
    fractions = [name for name in metrics if all(0 <= value <= 1 for value in _values(report, name))]
    charts = [("Loss", _chart(report, LOSSES))]
    if fractions:
        title = _words(fractions[0]).capitalize() if len(fractions) == 1 else "Metrics"
        charts.append((f"{title} on the validation images", _chart(report, {name: name for name in fractions})))
    charts += [(_words(name).capitalize(), _chart(report, {name: name})) for name in metrics if name not in fractions]
    return render(TEMPLATE, charts=charts)


def _values(report: RunReport, name: str) -> list[float]:
    """What was measured, by epoch."""
    return [value for row in report.history if (value := row.get(name)) is not None]


def _chart(report: RunReport, lines: dict[str, str]) -> Markup:
    """One chart of the columns that are the keys of `lines`; the values are what each is called."""
    colours: Sequence[str] = (TRAIN, VALID) if lines is LOSSES else (VALID, TRAIN, *FURTHER)
    with Chart() as chart:
        for i, (name, label) in enumerate(lines.items()):
            known = [(row["epoch"], row[name]) for row in report.history if row.get(name) is not None]
            ends = [(epoch or 0) + 1 for epoch, _ in known]  # the figures of an epoch are those at its end
            marker = "o" if len(ends) < 40 else None
            values = [value for _, value in known]
            chart.axes.plot(ends, values, color=colours[i % len(colours)], marker=marker, ms=3, label=_words(label))
        chart.axes.set_xlabel("epochs")
        chart.axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        chart.axes.legend()
    return chart.svg


def _words(name: str) -> str:
    return name.replace("_", " ")
