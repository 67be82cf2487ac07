"""The section with the confusion matrix, and with images of the most frequent confusions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from learners.answers.html import render
from learners.answers.outputs import Outputs
from learners.answers.pictures import data_uri
from learners.answers.prediction_metrics import confusions
from learners.answers.run_report import RunReport
from learners.answers.section import section

MAX_PAIRS, MAX_IMAGES = 12, 8  # number of confusions that are shown with images, and images of each
MAX_NUMBERED_CLASSES = 20  # number of classes up to which the cells of the matrix have numbers
TEMPLATE = """
<p>Rows are true classes, columns predicted classes. Blue cells are correct predictions; orange cells are errors, and
darker where they are more frequent. Hover over a cell or tap it for its count. An outlined cell links to images.</p>
<p class="readout" aria-live="polite">&nbsp;</p>
<div class="scroll"><svg class="grid" role="img" aria-label="confusion matrix" viewBox="0 0 {{ side }} {{ side }}"
 style="min-width: {{ least }}px; max-width: {{ most }}px">
{% for name in names %}
<text x="{{ margin - 4 }}" y="{{ margin + cell * (loop.index0 + 0.7) }}" text-anchor="end"
 font-size="{{ font }}">{{ name }}</text>
<text transform="translate({{ margin + cell * (loop.index0 + 0.7) }} {{ margin - 4 }}) rotate(-90)"
 font-size="{{ font }}">{{ name }}</text>
{% endfor %}
<rect class="frame" x="{{ margin }}" y="{{ margin }}" width="{{ cell * names|length }}"
 height="{{ cell * names|length }}"/>
{% for c in cells %}
{% if c.anchor %}<a href="#{{ c.anchor }}">{% endif %}
<g><title>{{ names[c.true] }} predicted as {{ names[c.predicted] }}: {{ "{:,}".format(c.count) }}</title>
<rect class="{{ "right" if c.true == c.predicted else "wrong" }}{{ " linked" if c.anchor }}"
 x="{{ margin + cell * c.predicted }}" y="{{ margin + cell * c.true }}" width="{{ cell }}" height="{{ cell }}"
 fill-opacity="{{ "%.2f"|format(c.strength) }}"/>
{% if numbered %}<text x="{{ margin + cell * (c.predicted + 0.5) }}" y="{{ margin + cell * (c.true + 0.65) }}"
 text-anchor="middle" font-size="{{ font }}">{{ c.count }}</text>{% endif %}</g>
{% if c.anchor %}</a>{% endif %}
{% endfor %}
</svg></div>
{% if missing %}<p class="missing">The images of the confusions cannot be shown: {{ missing }}.</p>{% endif %}
<div class="worsts">
{% for pair in pairs %}
<article id="{{ pair.anchor }}">
<h3>{{ pair.true }} predicted as {{ pair.predicted }}, {{ "{:,}".format(pair.count) }}×</h3>
<div class="images">{% for uri, name, sure in pair.images %}
<figure><img src="{{ uri }}" alt="{{ name }}" title="{{ name }}"><figcaption>{{ sure }}</figcaption></figure>
{% endfor %}</div></article>
{% endfor %}
</div>
{% if pairs %}<p class="note">Below each image: the probability of the predicted class. The largest losses come
first.</p>{% endif %}
"""


@dataclass(frozen=True)
class _Cell:
    """A cell of the matrix that is not 0.

    Attributes:
        true, predicted: indices of the classes.
        count: number of images.
        strength: opacity of the cell's colour, from 0 to 1.
        anchor: anchor of the images of this confusion; empty without images.
    """

    true: int
    predicted: int
    count: int
    strength: float
    anchor: str


@section("Confusions", order=60)
def confusion(report: RunReport) -> Markup | None:
    """Return the confusion matrix and images of the most frequent confusions."""
    found = report.outputs
    if found is None:
        return None
    counts = confusions(found.logits, found.targets)
    cells = _cells(counts)
    linked = sorted((cell for cell in cells if cell.anchor), key=lambda cell: -cell.count)
    pairs = [_pair(report, found, cell) for cell in linked] if report.opened else []
    if not pairs:
        cells = [_Cell(c.true, c.predicted, c.count, c.strength, "") for c in cells]
    missing = report.missing if linked else ""
    return render(TEMPLATE, names=found.classes, cells=cells, pairs=pairs, missing=missing, **_sizes(found.classes))


def _cells(counts: np.ndarray) -> list[_Cell]:
    """Return the cells of the matrix that are not 0; the most frequent confusions have an anchor."""
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_PAIRS]
    most_frequent = {tuple(divmod(int(i), len(counts))) for i in order if wrong.flat[i]}
    top, rows = max(int(wrong.max()), 1), counts.sum(1)
    return [
        _Cell(
            t,
            p,
            n := int(counts[t, p]),
            n / int(rows[t]) if t == p else 0.12 + 0.88 * (n / top) ** 0.7,
            f"pair-{t}-{p}" if (t, p) in most_frequent else "",
        )
        for t, p in np.argwhere(counts).tolist()
    ]


def _pair(report: RunReport, found: Outputs, cell: _Cell) -> dict[str, Any]:
    """Return classes, count and images of one confusion, the largest losses first."""
    idxs = np.flatnonzero((found.targets == cell.true) & (found.predicted == cell.predicted))
    idxs = idxs[np.argsort(-found.losses[idxs], kind="stable")][:MAX_IMAGES]
    images = [
        (data_uri(pixels), found.names[i], f"{report.probabilities[i, cell.predicted]:.0%}")
        for i in idxs.tolist()
        if (pixels := report.pixels(i)) is not None
    ]
    names = {"true": found.classes[cell.true], "predicted": found.classes[cell.predicted]}
    return names | {"anchor": cell.anchor, "count": cell.count, "images": images}


def _sizes(names: list[str]) -> dict[str, Any]:
    """Return the sizes of the matrix in units of its SVG; with many classes cells are small and have no numbers."""
    numbered = len(names) <= MAX_NUMBERED_CLASSES
    cell, font = (34, 11) if numbered else (11, 8.5)
    margin = min(max(map(len, names)), 24) * font * 0.6 + 8
    return {
        "numbered": numbered,
        "cell": cell,
        "font": font,
        "margin": round(margin, 1),
        "side": round(margin + cell * len(names) + 2, 1),
        "most": 640 if numbered else 1080,
        "least": 300 if numbered else round(0.8 * (margin + cell * len(names))),
    }
