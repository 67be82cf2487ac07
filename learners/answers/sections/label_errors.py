"""The section with images whose label is probably wrong."""

import numpy as np
from markupsafe import Markup

from learners.answers.html import render
from learners.answers.outputs import Outputs
from learners.answers.pictures import data_uri
from learners.answers.run_report import RunReport
from learners.answers.section import section

MAX_IMAGES = 24  # number of images that are shown
TEMPLATE = """
<p>For {{ "{:,}".format(count) }} validation image{{ "s" if count != 1 }} the model predicts another class than the
label, with at least the probability that this class has on average for its own images. Either the label or the
prediction is wrong: please check {{ "them" if count != 1 else "it" }}.</p>
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
    """Return the images whose label is probably wrong, the most probable first."""
    found = report.outputs
    if found is None:
        return None
    suspects = suspected(found, report.probabilities)
    if not suspects:
        return render("<p>No label is suspected to be wrong.</p>")
    rows = []
    for i in suspects[:MAX_IMAGES]:
        pixels, other = report.pixels(i), int(found.predicted[i])
        names = found.names[i], found.classes[found.targets[i]], found.classes[other]
        rows.append((None if pixels is None else data_uri(pixels), *names, f"{report.probabilities[i, other]:.0%}"))
    return render(TEMPLATE, rows=rows, count=len(suspects), missing=report.missing)


def suspected(outputs: Outputs, probabilities: np.ndarray) -> list[int]:
    """Return the images whose predicted class is not their label but has at least its average probability.

    The average probability of a class is its mean over the images with that label.

    Args:
        outputs: the outputs of the model.
        probabilities: their probabilities, N×C.

    Returns:
        Indices of the images, the highest probability first.

    Source: Northcutt, Jiang and Chuang 2021, https://arxiv.org/abs/1911.00068, section 3.1.
    """
    targets, predicted = outputs.targets, outputs.predicted
    average = np.array(
        [probabilities[targets == c, c].mean() if (targets == c).any() else np.inf for c in range(len(outputs.classes))]
    )
    confidence = probabilities.max(1)
    idxs = np.flatnonzero((predicted != targets) & (confidence >= average[predicted]))
    return idxs[np.argsort(-confidence[idxs], kind="stable")].tolist()
