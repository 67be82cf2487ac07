"""Images whose label is suspected to be wrong."""

import numpy as np
from markupsafe import Markup

from learners.answers.html import render
from learners.answers.outputs import Outputs
from learners.answers.pictures import data_uri
from learners.answers.run_report import RunReport
from learners.answers.section import section

IMAGES = 24
TEMPLATE = """
<p>{{ "{:,}".format(count) }} validation image{{ "s are" if count != 1 else " is" }} as surely of another class as the
images of that class are on average. Either the label is wrong, or the model is, surely; look at
{{ "them" if count != 1 else "it" }}.</p>
{% if missing %}<p class="missing">The images cannot be shown: {{ missing }}.</p>
<ul>{% for _, name, label, other, sure in rows %}
<li>{{ name }}: labelled {{ label }}, {{ sure }} {{ other }}</li>
{% endfor %}</ul>
{% else %}
<div class="images">{% for uri, name, label, other, sure in rows %}
<figure><img src="{{ uri }}" alt="{{ name }}" title="{{ name }}">
<figcaption>labelled {{ label }}<br><b>{{ other }}</b> {{ sure }}</figcaption></figure>
{% endfor %}</div>
{% endif %}
"""


@section("Suspected label errors", order=90)
def label_errors(report: RunReport) -> Markup | None:
    found = report.outputs
    if found is None:
        return None
    suspects = suspected(found, report.probabilities)
    if not suspects:
        return render("<p>No image is as surely of another class as the images of that class are on average.</p>")
    rows = []
    for i in suspects[:IMAGES]:
        pixels, other = report.pixels(i), int(found.predicted[i])
        names = found.names[i], found.classes[found.targets[i]], found.classes[other]
        rows.append((None if pixels is None else data_uri(pixels), *names, f"{report.probabilities[i, other]:.0%}"))
    return render(TEMPLATE, rows=rows, count=len(suspects), missing=report.missing)


def suspected(outputs: Outputs, probabilities: np.ndarray) -> list[int]:
    """The images whose predicted class is not their label and has at least its usual probability, the surest first.

    The usual probability of a class is its mean over the images that carry its label.

    Args:
        probabilities: N×C, of the outputs.

    Source: Northcutt, Jiang and Chuang 2021, https://arxiv.org/abs/1911.00068, section 3.1.
    """
    targets, predicted = outputs.targets, outputs.predicted
    usual = np.array(
        [probabilities[targets == c, c].mean() if (targets == c).any() else np.inf for c in range(len(outputs.classes))]
    )
    sure = probabilities.max(1)
    places = np.flatnonzero((predicted != targets) & (sure >= usual[predicted]))
    return places[np.argsort(-sure[places], kind="stable")].tolist()
