"""The page that compares runs."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from callbacks.curves import FURTHER_COLOURS, TRAIN_COLOUR, VALID_COLOUR
from learners.answers.comparison.paired import Paired, paired
from learners.answers.epoch_chart import Line, epoch_chart
from learners.answers.html import duration, percent, render, write_page
from learners.answers.pictures import data_uri
from learners.answers.prediction_metrics import accuracy_of, calibration_error, reliability
from learners.answers.run_report import RunReport, open_report

FILE = "comparison.html"
IMAGES = 16  # that one model gets right and the other wrong, each way
NO_SETTINGS = {"classes", "fingerprint", "skipped", "train_images", "valid_images"}
FIGURES = """
<div class="scroll"><table><thead><tr><th></th>{% for name in names %}<th>{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for title, cells in rows %}
<tr><th>{{ title }}</th>{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% if not rows %}<p>Nothing differs.</p>{% endif %}
"""
CHARTS = """
<div class="charts">{% for title, svg in charts %}
<figure><figcaption>{{ title }}</figcaption>{{ svg }}</figure>
{% endfor %}</div>
"""
PAIR = """
{% if not found %}<p class="missing">The runs were not validated on the same images, so that their answers cannot be
compared one by one; nor can they where a run's answers are not known any more.</p>
{% else %}
<p>{{ names[0] }} alone classifies {{ found.first_only|length }} images correctly, {{ names[1] }} alone
{{ found.second_only|length }}. By McNemar's exact test two equally good models differ at least so much with a
probability of <b>{{ "%.2g"|format(found.p) }}</b>{{ ": the difference may be chance" if found.p > 0.05 }}.</p>
{% if missing %}<p class="missing">The images cannot be shown: {{ missing }}.</p>{% endif %}
{% for title, images in groups %}
<h3>{{ title }}</h3>
<div class="images">{% for uri, name, label, other in images %}
<figure><img src="{{ uri }}" alt="{{ name }}" title="{{ name }}">
<figcaption>{{ label }}<br>taken for {{ other }}</figcaption></figure>
{% endfor %}</div>
{% endfor %}
{% endif %}
"""


def compare_runs(runs: Sequence[str | Path], out: Path | None = None) -> Path:
    """Write the page that compares finished runs with the first of them, and return its path.

    Args:
        out: the page; by default `comparison.html` in the directory of the first run.

    Raises:
        RunDirectoryError: there is no such run, it is not finished, or a file of it is damaged.
        PageError: the page cannot be written.
    """
    reports = [open_report(Path(run)) for run in runs]
    sections = list(_sections(reports, _names(reports)))
    return write_page(out or Path(runs[0]) / FILE, "Comparison of runs", sections)


def _names(reports: Sequence[RunReport]) -> list[str]:
    """Of the runs: of their directories, or their whole paths where two directories have the same name."""
    names = [report.path.resolve().name for report in reports]
    return names if len(set(names)) == len(names) else [str(report.path) for report in reports]


def _sections(reports: Sequence[RunReport], names: list[str]) -> Iterator[tuple[str, str, Markup]]:
    """Anchor, title and HTML of each section."""
    yield "figures", "Figures", render(FIGURES, names=names, rows=_transposed([_figures(one) for one in reports]))
    yield "recipes", "What differs in the recipes", render(FIGURES, names=names, rows=_differences(reports))
    yield "curves", "Curves", render(CHARTS, charts=_charts(reports, names))
    first, *others = reports
    for n, (other, name) in enumerate(zip(others, names[1:], strict=True), 1):
        yield f"images-{n}", f"{names[0]} and {name} on the same images", _pair(first, other, (names[0], name))


def _figures(report: RunReport) -> dict[str, str]:
    metrics, outputs = report.metrics, report.outputs
    found = {}
    if outputs is not None:
        right = accuracy_of(outputs.logits, outputs.targets)
        found["accuracy"] = f"{percent(right.value)} ({percent(right.low)} to {percent(right.high)})"
        error = calibration_error(reliability(report.probabilities, outputs.targets))
        found["calibration error"] = percent(error)
    elif "accuracy" in metrics:
        found["accuracy"] = percent(metrics["accuracy"])
    if "accuracy_tta" in metrics:
        found["accuracy, six views"] = percent(metrics["accuracy_tta"])
    if metrics.get("valid_loss") is not None:
        found["validation loss"] = f"{metrics['valid_loss']:.4f}"
    found |= {name: f"{metrics[key]:,}" for name, key in (("epochs", "epochs"), ("parameters", "parameters"))}
    return found | {"training time": duration(metrics["seconds"]), "device": metrics["device"]}


def _transposed(columns: Sequence[dict[str, str]]) -> list[tuple[str, list[str]]]:
    titles = dict.fromkeys(title for column in columns for title in column)
    return [(title, [column.get(title, "–") for column in columns]) for title in titles]


def _differences(reports: Sequence[RunReport]) -> list[tuple[str, list[str]]]:
    """The rows of `recipe.json` that are not the same in all runs."""
    columns = [
        {name: str(value) for name, value in _flat(report.description).items() if name not in NO_SETTINGS}
        for report in reports
    ]
    return [(title, cells) for title, cells in _transposed(columns) if len(set(cells)) > 1]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """With the entries of dictionaries, as the versions, beside the others."""
    inner = {f"{name}: {key}": item for name, v in values.items() if isinstance(v, dict) for key, item in v.items()}
    return {name: value for name, value in values.items() if not isinstance(value, dict)} | inner


def _charts(reports: Sequence[RunReport], names: Sequence[str]) -> list[tuple[str, Markup]]:
    titles = {
        "valid_loss": "Validation loss",
        "accuracy": "Accuracy on the validation images",
        "lr": "Rate at the end of an epoch",
    }
    shown = [column for column in titles if any(column in row for report in reports for row in report.history)]
    runs = list(zip(reports, names, cycle((TRAIN_COLOUR, VALID_COLOUR, *FURTHER_COLOURS)), strict=False))
    return [(titles[c], epoch_chart([Line(name, r.history, c, colour) for r, name, colour in runs])) for c in shown]


def _pair(first: RunReport, other: RunReport, names: tuple[str, str]) -> Markup:
    known = first.outputs is not None and other.outputs is not None
    found = paired(first.outputs, other.outputs) if known else None  # type: ignore[arg-type]
    groups = _groups(first, other, found, names) if found and first.opened else []
    return render(PAIR, names=names, found=found, missing=first.missing, groups=groups)


def _groups(
    first: RunReport, other: RunReport, found: Paired, names: tuple[str, str]
) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    """Title and images of those that only one model classifies correctly, the largest loss of the other first."""
    ways = (names[0], found.first_only, other), (names[1], found.second_only, first)
    return [(f"Right in {name} only", _images(first, places, wrong)) for name, places, wrong in ways if len(places)]


def _images(first: RunReport, places: np.ndarray, wrong: RunReport) -> list[tuple[str, str, str, str]]:
    """Data URI, name, class, and what the model that is wrong took each image for."""
    outputs = wrong.outputs
    assert outputs is not None
    order = places[np.argsort(-outputs.losses[places], kind="stable")][:IMAGES].tolist()
    return [
        (data_uri(pixels), outputs.names[i], outputs.classes[outputs.targets[i]], outputs.classes[outputs.predicted[i]])
        for i in order
        if (pixels := first.pixels(i)) is not None
    ]
