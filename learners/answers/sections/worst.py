"""The section with the images of largest loss, their heatmaps, and tests of how far to trust these."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from markupsafe import Markup

from callbacks.gradcam.layers import CamError
from callbacks.gradcam.overlay import overlaid
from callbacks.gradcam.plots import Scale, colours_of
from callbacks.gradcam.trust import Trust
from learners.answers.explained import ExplainedImages, explained
from learners.answers.html import render
from learners.answers.outputs import Outputs
from learners.answers.pictures import data_uri
from learners.answers.run_report import RunReport
from learners.answers.section import section

MAX_IMAGES, MAX_CONTROLS = 8, 99  # number of images, and of control areas per heatmap
# The same numbers for a report at the end of a fit on a CPU, which then takes about three seconds.
QUICK_IMAGES, QUICK_CONTROLS = 2, 19
MIN_TRAINED_IMAGES = 5_000  # images trained in all epochs below which a fit on a CPU ends without heatmaps
SHORT_FIT_MESSAGE = "The report of a short fit has no heatmaps; to add them: python app.py report RUN"
TEMPLATE = """
{% if missing %}
<p class="missing">{{ missing }}.</p>
<ul>{% for one in rows %}
<li>{{ one.name }}: {{ one.true }}, predicted as {{ one.predicted }} ({{ one.sure }}), loss
{{ "%.2f"|format(one.loss) }}</li>
{% endfor %}</ul>
{% else %}
<p>Heatmaps of the method {{ method }} show {{ unit }}, on one scale for all:
0 <span class="ramp" style="background-image: {{ ramp }}"></span> {{ "%.2g"|format(end) }}. <i>Why wrong</i> is the
evidence for the predicted class minus that for the true class: orange where it is larger, blue where it is smaller. To
test a heatmap, its strongest fifth is compared with up to {{ controls }} areas of the same size and shape: p is the
fraction of these areas that lower the margin of the class at least as much. A heatmap with p above 0.05 says little.
{% if quick %}At the end of a fit on a CPU few images are shown; <code>python app.py report RUN</code> shows more.
{% endif %}</p>
<div class="worsts">
{% for one in rows %}
<article class="worst"><h3>{{ one.true }} predicted as {{ one.predicted }}</h3>
<p class="note">{{ one.name }}: {{ one.sure }} {{ one.predicted }}, {{ one.truth }} {{ one.true }}, loss
{{ "%.2f"|format(one.loss) }}; {{ one.trust }}</p>
<div class="images">{% for uri, caption in one.images %}
<figure><img src="{{ uri }}" alt="{{ caption }}"><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}</div></article>
{% endfor %}
</div>
{% endif %}
"""


@section("Largest losses, and why", order=80)
def worst(report: RunReport) -> Markup | None:
    """Return the wrongly classified images of largest loss with their heatmaps, or a list of them without."""
    found = report.outputs
    if found is None:
        return None
    wrong = np.flatnonzero(found.predicted != found.targets)
    order = wrong[np.argsort(-found.losses[wrong], kind="stable")]
    images, controls = (QUICK_IMAGES, QUICK_CONTROLS) if report.quick else (MAX_IMAGES, MAX_CONTROLS)
    short = report.quick and report.metrics["train_images"] * report.metrics["epochs"] < MIN_TRAINED_IMAGES
    idxs = order[: MAX_IMAGES if short else images].tolist()
    if not idxs:
        return render("<p>Every validation image was classified correctly.</p>")
    facts = [_facts(found, i, report.probabilities[i]) for i in idxs]
    if short:
        return render(TEMPLATE, rows=facts, missing=SHORT_FIT_MESSAGE)
    if report.opened is None:
        return render(TEMPLATE, rows=facts, missing=f"The images and their heatmaps cannot be shown: {report.missing}")
    try:
        seen = explained(report.opened, report.path, found.predicted[idxs], found.targets[idxs], idxs, controls)
    except CamError as reason:  # for example, the net has no convolutions
        return render(TEMPLATE, rows=facts, missing=f"This model has no heatmaps: {reason}")
    return _with_heatmaps(seen, facts, controls, report.quick)


def _with_heatmaps(seen: ExplainedImages, facts: list[dict[str, Any]], controls: int, quick: bool) -> Markup:
    end = Scale(seen.unit, seen.weak).end([*seen.predicted, *seen.true])
    shown = zip(facts, _pictures(seen, end), seen.trust, strict=True)
    rows = [one | {"images": images, "trust": _trust_text(trust)} for one, images, trust in shown]
    words = {"method": seen.method, "unit": seen.unit, "end": end, "ramp": _ramp(), "controls": controls}
    return render(TEMPLATE, rows=rows, missing="", quick=quick, **words)


def _facts(found: Outputs, i: int, probabilities: np.ndarray) -> dict[str, Any]:
    """Return name, classes, probabilities and loss of image `i`."""
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
    """Yield data URI and caption of the four pictures of each image."""
    for pixels, predicted, true in zip(seen.pixels, seen.predicted, seen.true, strict=True):
        yield [
            (data_uri(pixels), "image"),
            (data_uri(overlaid(pixels, predicted, end)), "predicted class"),
            (data_uri(overlaid(pixels, true, end)), "true class"),
            (data_uri(overlaid(pixels, predicted - true, end, signed=True)), "why wrong"),
        ]


def _ramp() -> str:
    """Return the colour scale of the heatmaps as a CSS gradient."""
    stops = (f"rgb({r:.0%} {g:.0%} {b:.0%} / {a:.2f})" for r, g, b, a in colours_of(False)(np.linspace(0, 1, 6)))
    return f"linear-gradient(90deg, {', '.join(stops)})"


def _trust_text(trust: Trust) -> str:
    """Return the result of a heatmap's test as text."""
    fills = "agrees" if trust.agrees else "disagrees"
    return f"p {trust.p:.2f}, the margin falls by {trust.drop:.1f} logits, a second fill {fills}"
