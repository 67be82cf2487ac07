"""The section on how to repeat the run: command, recipe, versions, and fingerprint of the data."""

from typing import Any

from markupsafe import Markup

from learners.answers.fit_command import fit_command
from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section
from learners.run_directory.run import Run

NOT_SETTINGS = {"classes", "versions", "skipped", "session", "fingerprint", "commit", "train_images", "valid_images"}
TEMPLATE = """
<pre>{{ command }}</pre>
{% if session %}<p class="missing">The run was trained in a Python session that added {{ session }}; the command alone
does not repeat that.</p>{% endif %}
{% if skipped %}<p>{{ skipped|length }} image(s) that cannot be read were left out; recipe.json lists them.</p>
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
    """Return the command that repeats the run, its settings, data and versions."""
    stored = report.description
    origin = {
        "data": stored["data"],
        "training images": f"{report.metrics['train_images']:,}",
        "validation images": f"{report.metrics['valid_images']:,}",
        "fingerprint": stored["fingerprint"],
        "commit": stored.get("commit") or "unknown",
        **stored.get("versions", {}),
    }
    settings = {name: _shown(value) for name, value in stored.items() if name not in NOT_SETTINGS}
    tables = [("Settings", settings), ("Data and versions", origin)]
    session = "; ".join(f"{name}: {_shown(value)}" for name, value in stored.get("session", {}).items())
    command = fit_command(Run.open(report.path).recipe)
    return render(TEMPLATE, command=command, session=session, skipped=stored.get("skipped", []), tables=tables)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
