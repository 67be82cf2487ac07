"""The section with the model, the data and the most important metrics on one screen."""

from collections.abc import Iterator

from markupsafe import Markup

from learners.answers.html import duration, percent, render
from learners.answers.prediction_metrics import accuracy_of, calibration_error, class_metrics, reliability, top_accuracy
from learners.answers.run_report import RunReport
from learners.answers.section import section

TEMPLATE = """
<p class="lead"><b>{{ model }}</b> ({{ "{:,}".format(metrics.parameters) }} parameters) was trained
for {{ metrics.epochs }} epochs on {{ "{:,}".format(metrics.train_images) }} images of <b>{{ run.data }}</b> in
{{ run.classes|length }} classes, and evaluated on {{ "{:,}".format(metrics.valid_images) }} validation images.</p>
<dl class="tiles">
{% for name, value, note in tiles %}
<div><dt>{{ name }}</dt><dd>{{ value }}</dd>{% if note %}<dd class="note">{{ note }}</dd>{% endif %}</div>
{% endfor %}
</dl>
"""


@section("Summary", order=10)
def summary(report: RunReport) -> Markup:
    """Return a sentence about the run, and tiles with its metrics."""
    facts = {"run": report.description, "model": report.model["architecture"], "metrics": report.metrics}
    return render(TEMPLATE, tiles=list(_tiles(report)), **facts)


def _tiles(report: RunReport) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and note of each tile."""
    metrics = report.metrics
    yield from _prediction_tiles(report)
    if "accuracy_tta" in metrics:
        yield "accuracy, six views", percent(metrics["accuracy_tta"]), "mean of six views of each image"
    if metrics.get("valid_loss") is not None:
        yield "validation loss", f"{metrics['valid_loss']:.4f}", ""
    speed = f"{metrics['images_per_second']:,.0f} images per second on {metrics['device']}"
    yield "training time", duration(metrics["seconds"]), speed
    yield "seed", str(metrics["seed"]), f"learning rate peaks at epoch {metrics['peak_epoch']:.4g}"


def _prediction_tiles(report: RunReport) -> Iterator[tuple[str, str, str]]:
    """Yield the tiles that are computed from the outputs; without outputs, only the stored accuracy."""
    accuracy, outputs = report.metrics.get("accuracy"), report.outputs
    if outputs is None:
        if accuracy is not None:
            yield "accuracy", percent(accuracy), ""
        return
    right = accuracy_of(outputs.logits, outputs.targets)
    interval = f"95% interval {percent(right.low)} to {percent(right.high)}"
    yield "accuracy", percent(right.value if accuracy is None else accuracy), interval
    top = top_accuracy(outputs.logits, outputs.targets)
    if top is not None:
        yield "top-5 accuracy", percent(top), ""
    rows = [row for row in class_metrics(outputs.logits, outputs.targets, outputs.classes) if row.support]
    worst = min(rows, key=lambda row: row.f1)
    yield "weakest class", worst.name, f"F1 {percent(worst.f1)}"
    error = calibration_error(reliability(report.probabilities, outputs.targets))
    yield "calibration error", percent(error), f"with the temperature {report.temperature:.3g}"
