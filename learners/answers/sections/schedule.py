"""The section with the applied learning rate, with its peak marked."""

from markupsafe import Markup

from callbacks.curves import TRAIN_COLOUR, VALID_COLOUR
from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section
from learners.answers.svg import Chart

TEMPLATE = """
<div class="charts"><figure>{{ svg }}</figure></div>
<p>The applied learning rate rises to {{ "%.4g"|format(peak.lr) }} at epoch {{ "%.4g"|format(peak.epoch) }} and ends at
{{ "%.3g"|format(last.lr) }}. {% if gap %}In {{ "{:,}".format(steps) }} steps the largest relative difference from the
plan is {{ "%.1g"|format(gap) }}.{% else %}In all {{ "{:,}".format(steps) }} steps it equals the plan.
{% endif %}
The momentum {{ "was %.3g throughout"|format(last.momentum) if constant else "changed with it" }}.</p>
"""


@section("Applied learning rate", order=30)
def schedule(report: RunReport) -> Markup | None:
    """Return the curve of the applied learning rate, and its largest difference from the plan."""
    rows = report.schedule
    if not rows:
        return None
    rates = [row["lr"] for row in rows]
    peak = rows[rates.index(max(rates))]
    with Chart() as chart:
        chart.axes.plot([row["epoch"] for row in rows], rates, color=TRAIN_COLOUR)
        chart.axes.plot(peak["epoch"], peak["lr"], "o", color=VALID_COLOUR)
        text = f"peak {peak['lr']:.3g} at epoch {peak['epoch']:.3g}"
        chart.axes.annotate(text, (peak["epoch"], peak["lr"]), (6, 5), textcoords="offset points")
        chart.axes.margins(y=0.12)
        chart.axes.set(xlabel="epochs", ylabel="learning rate")
    gap = max(abs(rate - row["planned_lr"]) / max(rate, 1e-300) for rate, row in zip(rates, rows, strict=True))
    constant = len({row["momentum"] for row in rows}) == 1
    return render(TEMPLATE, svg=chart.svg, peak=peak, last=rows[-1], steps=len(rows), gap=gap, constant=constant)
