"""Write the HTML page that compares several runs."""

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

FILE = "comparison.html"  # file of the page in the directory of the first run
MAX_IMAGES = 16  # images that only one of two models classifies correctly, for each of the two
NOT_COMPARED = {"classes", "fingerprint", "skipped", "train_images", "valid_images"}  # entries that are not settings
TABLE = """
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
{% if not found %}<p class="missing">The predictions cannot be compared image by image: the runs were not validated on
the same images, or the predictions of a run are no longer available.</p>
{% else %}
<p>{{ names[0] }} alone classifies {{ found.first_only|length }} images correctly, {{ names[1] }} alone
{{ found.second_only|length }}. By McNemar's exact test, two equally good models differ at least this much with
probability <b>{{ "%.2g"|format(found.p) }}</b>{{ ": the difference may be due to chance" if found.p > 0.05 }}.</p>
{% if missing %}<p class="missing">The images cannot be shown: {{ missing }}.</p>{% endif %}
{% for title, images in groups %}
<h3>{{ title }}</h3>
<div class="images">{% for uri, name, label, other in images %}
<figure><img src="{{ uri }}" alt="{{ name }}" title="{{ name }}">
<figcaption>{{ label }}<br>predicted {{ other }}</figcaption></figure>
{% endfor %}</div>
{% endfor %}
{% endif %}
"""


def compare_runs(runs: Sequence[str | Path], out: Path | None = None) -> Path:
    """Write a page that compares the first of several finished runs with the others, and return its path.

    Args:
        runs: the run directories.
        out: the file to write; by default `comparison.html` in the directory of the first run.

    Raises:
        RunDirectoryError: there is no run, it is not finished, or one of its files is damaged.
        PageError: the page cannot be written.
    """
    reports = [open_report(Path(run)) for run in runs]
    sections = list(_sections(reports, _names(reports)))
    return write_page(out or Path(runs[0]) / FILE, "Comparison of runs", sections)


def _names(reports: Sequence[RunReport]) -> list[str]:
    """Return the names of the run directories, or their whole paths if two have the same name."""
    names = [report.path.resolve().name for report in reports]
    return names if len(set(names)) == len(names) else [str(report.path) for report in reports]


def _sections(reports: Sequence[RunReport], names: list[str]) -> Iterator[tuple[str, str, Markup]]:
    """Yield anchor, title and HTML of each section."""
    rows = _transposed([_metrics(one) for one in reports])
    yield "figures", "Metrics", render(TABLE, names=names, rows=rows)
    yield "recipes", "Differences between the recipes", render(TABLE, names=names, rows=_differences(reports))
    yield "curves", "Curves", render(CHARTS, charts=_charts(reports, names))
    first, *others = reports
    for n, (other, name) in enumerate(zip(others, names[1:], strict=True), 1):
        yield f"images-{n}", f"{names[0]} and {name} on the same images", _pair(first, other, (names[0], name))


def _metrics(report: RunReport) -> dict[str, str]:
    """Return the metrics of a run as text, by the title of their row."""
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
    """Return the title and the cells of each row."""
    titles = dict.fromkeys(title for column in columns for title in column)
    return [(title, [column.get(title, "–") for column in columns]) for title in titles]


def _differences(reports: Sequence[RunReport]) -> list[tuple[str, list[str]]]:
    """Return the entries of `recipe.json` that are not the same in all runs, as rows."""
    columns = [
        {name: str(value) for name, value in _flat(report.description).items() if name not in NOT_COMPARED}
        for report in reports
    ]
    return [(title, cells) for title, cells in _transposed(columns) if len(set(cells)) > 1]


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with the entries of inner dictionaries, such as the versions, under `outer: inner`."""
    inner = {f"{name}: {key}": item for name, v in values.items() if isinstance(v, dict) for key, item in v.items()}
    return {name: value for name, value in values.items() if not isinstance(value, dict)} | inner


def _charts(reports: Sequence[RunReport], names: Sequence[str]) -> list[tuple[str, Markup]]:
    titles = {
        "valid_loss": "Validation loss",
        "accuracy": "Accuracy on the validation images",
        "lr": "Learning rate at the end of each epoch",
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
    """Return title and images for each model that alone is correct, the largest loss of the other model first."""
    groups = (names[0], found.first_only, other), (names[1], found.second_only, first)
    return [(f"Correct in {name} only", _images(first, idxs, wrong)) for name, idxs, wrong in groups if len(idxs)]


def _images(first: RunReport, idxs: np.ndarray, wrong: RunReport) -> list[tuple[str, str, str, str]]:
    """Return data URI, name, true class and the wrong model's predicted class of each image."""
    outputs = wrong.outputs
    assert outputs is not None
    order = idxs[np.argsort(-outputs.losses[idxs], kind="stable")][:MAX_IMAGES].tolist()
    return [
        (data_uri(pixels), outputs.names[i], outputs.classes[outputs.targets[i]], outputs.classes[outputs.predicted[i]])
        for i in order
        if (pixels := first.pixels(i)) is not None
    ]
