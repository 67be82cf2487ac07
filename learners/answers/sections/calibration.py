"""How far the probabilities can be believed, before and after the temperature."""

from collections.abc import Sequence

from markupsafe import Markup

from callbacks.curves import TRAIN_COLOUR, VALID_COLOUR
from learners.answers.html import render
from learners.answers.prediction_metrics import Bin, calibration_error, reliability, share
from learners.answers.run_report import RunReport
from learners.answers.section import section
from learners.answers.svg import Chart
from learners.answers.temperature import fit_temperature

LEVELS = 0.5, 0.7, 0.9, 0.95, 0.99  # probabilities below which nothing is answered
TEMPLATE = """
<p>The expected calibration error, the mean gap between how sure the model is and how often it is right, is
<b>{{ before|percent }}</b> as the logits are and <b>{{ after|percent }}</b> once they are divided by the temperature
{{ "%.3g"|format(temperature) }}, which was fitted on these images. {% if not kept %}It was fitted for this page:
model.json keeps none, and predictions of this run are made without.{% endif %} On the diagonal of the figure, 80% sure
is right 80% of the time. The table tells how many images are answered, and how many of the answers are right, where the
model says "unsure" below a probability.</p>
<div class="charts"><figure>{{ svg }}</figure>
<div class="scroll"><table><thead><tr><th>unsure below</th><th class="n">answered</th><th class="n">right of those</th>
<th class="n">95% interval</th></tr></thead>
<tbody>{% for level, answered, right in levels %}
<tr><td>{{ "%.2g"|format(level) }}</td><td class="n">{{ "%.1f"|format(100 * answered) }}%</td>
<td class="n">{{ "%.2f"|format(100 * right.value) if right.count else "–" }}{{ "%" if right.count }}</td>
<td class="n">{{ "%.1f to %.1f"|format(100 * right.low, 100 * right.high) if right.count else "–" }}</td></tr>
{% endfor %}</tbody></table></div></div>
"""


@section("Calibration", order=70)
def calibration(report: RunReport) -> Markup | None:
    found = report.outputs
    if found is None:
        return None
    kept = "temperature" in report.model
    temperature = report.temperature if kept else fit_temperature(found.logits, found.targets)
    before, after = (reliability(found.probabilities(t), found.targets) for t in (1.0, temperature))
    sure, hits = found.probabilities(temperature).max(1), found.predicted == found.targets
    levels = [
        (level, float((sure >= level).mean()), share(int(hits[sure >= level].sum()), int((sure >= level).sum())))
        for level in LEVELS
    ]
    with Chart() as chart:
        chart.axes.plot([0, 1], [0, 1], ":", color="#888888")
        for bins, label, colour in (
            (before, "logits as they are", VALID_COLOUR),
            (after, "after the temperature", TRAIN_COLOUR),
        ):
            _draw(chart, bins, label, colour)
        chart.axes.set(
            xlabel="probability of the prediction", ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02)
        )
        chart.legend_above()
    errors = {"before": calibration_error(before), "after": calibration_error(after)}
    return render(TEMPLATE, svg=chart.svg, levels=levels, kept=kept, temperature=temperature, **errors)


def _draw(chart: Chart, bins: Sequence[Bin], label: str, colour: str) -> None:
    """Points of the bins, larger where there are more images."""
    filled, total = [one for one in bins if one.count], sum(one.count for one in bins)
    points = [one.confidence for one in filled], [one.accuracy for one in filled]
    chart.axes.plot(*points, color=colour, lw=1, label=label)
    chart.axes.scatter(*points, s=[8 + 90 * one.count / total for one in filled], color=colour, alpha=0.8)
