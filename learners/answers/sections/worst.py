"""The worst losses: what the model saw in them, why it was wrong, and how far each heatmap can be trusted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from markupsafe import Markup

from callbacks.gradcam.overlay import overlaid
from callbacks.gradcam.plots import Scale
from callbacks.gradcam.trust import Trust
from learners.answers.explained import ExplainedImages, explained
from learners.answers.html import render
from learners.answers.outputs import Outputs
from learners.answers.pictures import data_uri
from learners.answers.run_report import RunReport
from learners.answers.section import section

ON_A_GPU, ON_A_CPU = 12, 4  # images: a report at the end of a fit takes a few seconds
TEMPLATE = """
{% if missing %}
<p class="missing">The images and their heatmaps cannot be shown: {{ missing }}.</p>
<ul>{% for one in rows %}
<li>{{ one.name }}: {{ one.true }}, taken for {{ one.predicted }} ({{ one.sure }}), loss
{{ "%.2f"|format(one.loss) }}</li>
{% endfor %}</ul>
{% else %}
<p>Heatmaps of the method {{ method }}: {{ unit }}, in one scale for all, up to {{ "%.2g"|format(end) }}.
<i>Why wrong</i> is the evidence for the predicted class less that for the true one. The value p is the share of areas of the same size
and shape that lower the margin of the class as much as the strongest fifth of the map; a map with p above 0.05 says
little.</p>
{% for one in rows %}
<article class="worst"><h3>{{ one.true }} taken for {{ one.predicted }}</h3>
<p class="note">{{ one.name }}: {{ one.sure }} {{ one.predicted }}, {{ one.truth }} {{ one.true }}, loss
{{ "%.2f"|format(one.loss) }}; {{ one.trust }}</p>
<div class="images">{% for uri, caption in one.images %}
<figure><img src="{{ uri }}" alt="{{ caption }}"><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}</div></article>
{% endfor %}
{% endif %}
"""


@section("Worst losses, and why", order=80)
def worst(report: RunReport) -> Markup | None:
    found = report.outputs
    if found is None:
        return None
    wrong = np.flatnonzero(found.predicted != found.targets)
    order = wrong[np.argsort(-found.losses[wrong], kind="stable")]
    idxs = order[: ON_A_GPU if torch.cuda.is_available() else ON_A_CPU].tolist()
    if not idxs:
        return render("<p>Every validation image was classified correctly.</p>")
    facts = [_facts(found, i, report.temperature) for i in idxs]
    if report.opened is None:
        return render(TEMPLATE, rows=facts, missing=report.missing)
    seen = explained(report.opened, report.path, found.predicted[idxs], found.targets[idxs], idxs)
    end = Scale(seen.unit, seen.weak).end([*seen.predicted, *seen.true])
    shown = zip(facts, _pictures(seen, end), seen.trust, strict=True)
    rows = [one | {"images": images, "trust": _told(trust)} for one, images, trust in shown]
    return render(TEMPLATE, rows=rows, missing="", method=seen.method, unit=seen.unit, end=end)


def _facts(found: Outputs, i: int, temperature: float) -> dict[str, Any]:
    probabilities = found.probabilities(temperature)[i]
    true, predicted = found.targets[i], found.predicted[i]
    return {
        "name": found.names[i],
        "true": found.classes[true],
        "predicted": found.classes[predicted],
        "sure": f"{probabilities[predicted]:.0%}",
        "truth": f"{probabilities[true]:.0%}",
        "loss": float(found.losses[i]),
    }


def _pictures(seen: ExplainedImages, end: float) -> Iterator[list[tuple[str, str]]]:
    """Data URI and caption of the pictures of each image."""
    for pixels, predicted, true in zip(seen.pixels, seen.predicted, seen.true, strict=True):
        yield [
            (data_uri(pixels), "image"),
            (data_uri(overlaid(pixels, predicted, end)), "for the predicted class"),
            (data_uri(overlaid(pixels, true, end)), "for the true class"),
            (data_uri(overlaid(pixels, predicted - true, end, signed=True)), "why wrong"),
        ]


def _told(trust: Trust) -> str:
    fills = "agrees" if trust.agrees else "disagrees"
    return f"p {trust.p:.2f}, the margin falls by {trust.drop:.1f} logits, a second fill {fills}"
