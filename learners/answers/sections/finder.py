"""The section with the curve of the learning-rate finder, if the run began with it."""

from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from callbacks.lr_find.plot import CHOICE_COLOUR, RAW_COLOUR, SMOOTH_COLOUR, TRIAL_COLOUR
from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section
from learners.answers.svg import Chart
from learners.run_directory.run import Run

FILE = "lr_find.json"  # file of the finder's result in the run directory
TEMPLATE = """
<div class="charts"><figure>{{ svg }}</figure></div>
{% if found.lr %}
<p>Recommended and used: a peak learning rate of {{ "%.3g"|format(found.lr) }}{% if found.low and found.high %}; the
recommendations from single batches range from {{ "%.3g"|format(found.low) }} to
{{ "%.3g"|format(found.high) }}{% endif %}.</p>
{% else %}
<p>The finder recommended no learning rate: {{ found.abstained }}.</p>
{% endif %}
"""


@section("Learning-rate finder", order=40)
def finder(report: RunReport) -> Markup | None:
    """Return the curve of the finder and its recommendation; None if the run has none."""
    if not (report.path / FILE).exists():
        return None
    found = Run(report.path, new=False).read_json(FILE)
    with Chart() as chart:
        _plot(chart.axes, found)
    return render(TEMPLATE, svg=chart.svg, found=found)


def _plot(axes: Axes, found: dict[str, Any]) -> None:
    """Plot the range test, its smoothed curve, the trials and the recommendation."""
    first, curve = found["sweeps"][0], found["curve"]
    axes.plot(first["lrs"], first["losses"], ".", ms=4, color=RAW_COLOUR, label="range test")
    axes.plot(curve["lrs"], curve["losses"], color=SMOOTH_COLOUR, label="smoothed")
    ended = [(trial["peak"], trial["loss"]) for trial in found["trials"] if trial["loss"] is not None]
    if ended:
        axes.plot(*zip(*ended, strict=True), "P-", color=TRIAL_COLOUR, label="end of a short run, by its peak")
    if found["lr"]:
        axes.axvline(found["lr"], color=CHOICE_COLOUR, label=f"recommended {found['lr']:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
    losses = first["losses"]
    if losses:  # a diverging loss would otherwise determine the scale
        axes.set_ylim(top=min(max(losses), 2 * losses[0] - min(losses)) if losses[0] > min(losses) else None)
    axes.legend(fontsize=8)
