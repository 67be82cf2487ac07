"""The section with precision, recall and F1 of each class."""

import math

from markupsafe import Markup

from learners.answers.html import render
from learners.answers.prediction_metrics import class_metrics
from learners.answers.run_report import RunReport
from learners.answers.section import section

MAX_TABLE_ROWS = 20  # classes in one table; of more, two tables are made, side by side if the page is wide
TEMPLATE = """
<p>Precision is the fraction of the predictions of a class that are correct, recall the fraction of its images that are
classified correctly, F1 their harmonic mean. The classes with the lowest F1 come first.</p>
<div class="columns">{% for rows in tables %}
<div class="scroll"><table>
<thead><tr><th>class</th><th class="n">precision</th><th class="n">recall</th><th class="n">F1</th>
<th class="n">images</th></tr></thead>
<tbody>{% for row in rows %}
<tr><td>{{ row.name }}</td><td class="n">{{ "%.1f"|format(100 * row.precision) }}%</td>
<td class="n">{{ "%.1f"|format(100 * row.recall) }}%</td>
<td class="n">{{ "%.1f"|format(100 * row.f1) }}%</td>
<td class="n">{{ "{:,}".format(row.support) }}</td></tr>
{% endfor %}</tbody></table></div>
{% endfor %}</div>
"""


@section("Each class", order=50)
def classes(report: RunReport) -> Markup | None:
    """Return the table of classes, the lowest F1 first."""
    found = report.outputs
    if found is None:
        return None
    rows = sorted(class_metrics(found.logits, found.targets, found.classes), key=lambda row: row.f1)
    height = len(rows) if len(rows) <= MAX_TABLE_ROWS else math.ceil(len(rows) / 2)
    return render(TEMPLATE, tables=[rows[start : start + height] for start in range(0, len(rows), height)])
