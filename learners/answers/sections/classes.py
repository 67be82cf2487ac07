"""Precision, recall and F1 of each class."""

from markupsafe import Markup

from learners.answers.html import render
from learners.answers.prediction_metrics import class_metrics
from learners.answers.run_report import RunReport
from learners.answers.section import section

ONE_TABLE = 20  # classes; more of them stand in two columns where the page is wide
TEMPLATE = """
<p>Precision is the share of a class's predictions that are right, recall the share of its images that are found, F1
their harmonic mean. The classes of lowest F1 stand first.</p>
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
    found = report.outputs
    if found is None:
        return None
    rows = sorted(class_metrics(found.logits, found.targets, found.classes), key=lambda row: row.f1)
    half = len(rows) if len(rows) <= ONE_TABLE else -(-len(rows) // 2)
    return render(TEMPLATE, tables=[rows[start : start + half] for start in range(0, len(rows), half)])
