"""How to repeat the run: its recipe, versions, the fingerprint of its data, and the command."""

from typing import Any

from markupsafe import Markup

from learners.answers.fit_command import fit_command
from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section
from learners.run import Run

NO_SETTINGS = {"classes", "versions", "skipped", "session", "fingerprint", "commit", "train_images", "valid_images"}
TEMPLATE = """
<pre>{{ command }}</pre>
{% if session %}<p class="missing">The run was made in a Python session that added {{ session }}; the command alone does
not repeat that.</p>{% endif %}
{% if skipped %}<p>{{ skipped|length }} image(s) that cannot be read were left out; recipe.json names them.</p>
{% endif %}
<div class="columns">
{% for title, rows in tables %}
<div class="scroll"><table><caption>{{ title }}</caption><tbody>
{% for name, value in rows.items() %}<tr><th>{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</tbody></table></div>
{% endfor %}
</div>
"""


@section("Recipe, and how to repeat it", order=100)
def recipe(report: RunReport) -> Markup:
    stored = report.description
    origin = {
        "data": stored["data"],
        "training images": f"{report.metrics['train_images']:,}",
        "validation images": f"{report.metrics['valid_images']:,}",
        "fingerprint": stored["fingerprint"],
        "commit": stored.get("commit") or "not known",
        **stored.get("versions", {}),
    }
    settings = {name: _shown(value) for name, value in stored.items() if name not in NO_SETTINGS}
    tables = [("Settings", settings), ("Data and versions", origin)]
    session = "; ".join(f"{name}: {_shown(value)}" for name, value in stored.get("session", {}).items())
    command = fit_command(Run.open(report.path).recipe)
    return render(TEMPLATE, command=command, session=session, skipped=stored.get("skipped", []), tables=tables)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
