"""The section on calibration: how reliable the probabilities are, before and after the temperature."""

from collections.abc import Sequence

from markupsafe import Markup

from callbacks.curves import TRAIN_COLOUR, VALID_COLOUR
from learners.answers.html import render
from learners.answers.prediction_metrics import Bin, calibration_error, reliability, share
from learners.answers.run_report import RunReport
from learners.answers.section import section
from learners.answers.svg import Chart
from learners.answers.temperature import fit_temperature

MIN_CONFIDENCES = 0.5, 0.7, 0.9, 0.95, 0.99  # probabilities below which the label is `unsure`
TEMPLATE = """
<p>The expected calibration error is the mean difference between the probability of a prediction and the accuracy at
that probability. It is <b>{{ before|percent }}</b> without a temperature and <b>{{ after|percent }}</b> with the logits
divided by the temperature {{ "%.3g"|format(temperature) }}, which was fitted on these images.
{% if not kept %}It was fitted for this page: model.json has no temperature, and predictions of this run do not use one.
{% endif %} On the diagonal of the figure, predictions with a probability of 80% are correct 80% of the time. The table
shows how many images get a label other than "unsure", and how many of these labels are correct, for several minimum
probabilities.</p>
<div class="charts"><figure>{{ svg }}</figure>
<div class="scroll"><table><thead><tr><th>unsure below</th><th class="n">labelled</th>
<th class="n">correct of these</th><th class="n">95% interval</th></tr></thead>
<tbody>{% for level, labelled, right in levels %}
<tr><td>{{ "%.2g"|format(level) }}</td><td class="n">{{ "%.1f"|format(100 * labelled) }}%</td>
<td class="n">{{ "%.2f"|format(100 * right.value) if right.count else "–" }}{{ "%" if right.count }}</td>
<td class="n">{{ "%.1f to %.1f"|format(100 * right.low, 100 * right.high) if right.count else "–" }}</td></tr>
{% endfor %}</tbody></table></div></div>
"""


@section("Calibration", order=70)
def calibration(report: RunReport) -> Markup | None:
    """Return the calibration errors, the reliability diagram and a table of minimum probabilities."""
    found = report.outputs
    if found is None:
        return None
    kept = "temperature" in report.model
    temperature = report.temperature if kept else fit_temperature(found.logits, found.targets)
    before, after = (reliability(found.probabilities(t), found.targets) for t in (1.0, temperature))
    sure, hits = found.probabilities(temperature).max(1), found.predicted == found.targets
    levels = [
        (level, float((sure >= level).mean()), share(int(hits[sure >= level].sum()), int((sure >= level).sum())))
        for level in MIN_CONFIDENCES
    ]
    with Chart() as chart:
        chart.axes.plot([0, 1], [0, 1], ":", color="#888888")
        for bins, label, colour in (
            (before, "without temperature", VALID_COLOUR),
            (after, "with temperature", TRAIN_COLOUR),
        ):
            _plot(chart, bins, label, colour)
        chart.axes.set(xlabel="probability of the prediction", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
        chart.legend_above()
    errors = {"before": calibration_error(before), "after": calibration_error(after)}
    return render(TEMPLATE, svg=chart.svg, levels=levels, kept=kept, temperature=temperature, **errors)


def _plot(chart: Chart, bins: Sequence[Bin], label: str, colour: str) -> None:
    """Plot one point per bin; its area grows with the number of images."""
    filled, total = [one for one in bins if one.count], sum(one.count for one in bins)
    points = [one.confidence for one in filled], [one.accuracy for one in filled]
    chart.axes.plot(*points, color=colour, lw=1, label=label)
    chart.axes.scatter(*points, s=[8 + 90 * one.count / total for one in filled], color=colour, alpha=0.8)
