"""Which classes are taken for which: a grid of counts, and images of the most frequent confusions."""

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

PAIRS, IMAGES = 12, 8  # confusions with images, and images of each
NUMBERED = 20  # classes; a grid of more of them has no room for numbers
TEMPLATE = """
<p>A row is a true class, a column what its images were taken for. Blue is right; orange is wrong, the darker the more
often. Hover over a cell or tap it for its count; an outlined cell leads to its images.</p>
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
<g><title>{{ names[c.true] }} taken for {{ names[c.predicted] }}: {{ "{:,}".format(c.count) }}</title>
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
<h3>{{ pair.true }} taken for {{ pair.predicted }}, {{ "{:,}".format(pair.count) }}×</h3>
<div class="images">{% for uri, name, sure in pair.images %}
<figure><img src="{{ uri }}" alt="{{ name }}" title="{{ name }}"><figcaption>{{ sure }}</figcaption></figure>
{% endfor %}</div></article>
{% endfor %}
</div>
{% if pairs %}<p class="note">Below each image: the probability of the wrong class. The largest losses stand
first.</p>{% endif %}
"""


@dataclass(frozen=True)
class _Cell:
    """A cell of the grid that is not 0; `strength` is the opacity of its colour, from 0 to 1."""

    true: int
    predicted: int
    count: int
    strength: float
    anchor: str


@section("Confusions", order=60)
def confusion(report: RunReport) -> Markup | None:
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
    wrong = counts * (1 - np.eye(len(counts), dtype=int))
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    most = {tuple(divmod(int(place), len(counts))) for place in order if wrong.flat[place]}
    top, rows = max(int(wrong.max()), 1), counts.sum(1)
    return [
        _Cell(
            t,
            p,
            n := int(counts[t, p]),
            n / int(rows[t]) if t == p else 0.12 + 0.88 * (n / top) ** 0.7,
            f"pair-{t}-{p}" if (t, p) in most else "",
        )
        for t, p in np.argwhere(counts).tolist()
    ]


def _pair(report: RunReport, found: Outputs, cell: _Cell) -> dict[str, Any]:
    there = np.flatnonzero((found.targets == cell.true) & (found.predicted == cell.predicted))
    sure = report.probabilities[there, cell.predicted]
    first = np.argsort(-found.losses[there], kind="stable")[:IMAGES].tolist()
    images = [
        (data_uri(pixels), found.names[there[n]], f"{sure[n]:.0%}")
        for n in first
        if (pixels := report.pixels(int(there[n]))) is not None
    ]
    names = {"true": found.classes[cell.true], "predicted": found.classes[cell.predicted]}
    return names | {"anchor": cell.anchor, "count": cell.count, "images": images}


def _sizes(names: list[str]) -> dict[str, Any]:
    """Of the grid, in its own units: few classes have room for numbers, many have small cells."""
    numbered = len(names) <= NUMBERED
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
