"""The metrics of a model's outputs as plain values, and as a short table for the terminal."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.table import Table

from learners.answers.outputs import Outputs
from learners.answers.prediction_metrics import (
    accuracy_of,
    calibration_error,
    class_metrics,
    confusions,
    reliability,
    top_accuracy,
)

MAX_CLASSES = 10  # classes in the table; of more, those with the lowest F1 are shown
MAX_CONFUSIONS = 5  # confusions below the table


def evaluation_metrics(outputs: Outputs, temperature: float) -> dict[str, Any]:
    """Return the metrics that `evaluate` reports beside accuracy and loss, in plain values.

    Args:
        outputs: the outputs of the model.
        temperature: the number by which the run divides its logits.

    Returns:
        `accuracy_interval`: ends of Wilson's 95% interval; `top_5_accuracy`, for more than ten classes;
        `calibration_error` without and `calibration_error_calibrated` with the `temperature`; `per_class`: metrics of
        each class; `confusion`: the confusion matrix, with true classes in rows.
    """
    logits, targets = outputs.logits, outputs.targets
    right, top = accuracy_of(logits, targets), top_accuracy(logits, targets)
    before, after = (calibration_error(reliability(outputs.probabilities(t), targets)) for t in (1.0, temperature))
    return {
        "accuracy_interval": [right.low, right.high],
        **({} if top is None else {"top_5_accuracy": top}),
        "calibration_error": before,
        "temperature": temperature,
        "calibration_error_calibrated": after,
        "per_class": [row.to_dict() for row in class_metrics(logits, targets, outputs.classes)],
        "confusion": confusions(logits, targets).tolist(),
    }


def print_evaluation(results: dict[str, Any]) -> None:
    """Print the results of `evaluate` to stdout."""
    Console(markup=False, highlight=False).print(evaluation_table(results))  # brackets in class names are not markup


def evaluation_table(results: dict[str, Any]) -> Group:
    """Return the results of `evaluate` as tables of about twenty lines in all."""
    facts = Table(show_header=False, box=None, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    for name, text in _facts(results):
        facts.add_row(name, text)
    return Group(facts, "", _classes(results), *_confusions(results))


def _facts(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    low, high = results["accuracy_interval"]
    yield "accuracy", f"{results['accuracy']:.2%}, 95% interval {low:.2%} to {high:.2%}"
    if "accuracy_tta" in results:
        yield "with six views", f"{results['accuracy_tta']:.2%}"
    if "top_5_accuracy" in results:
        yield "top-5 accuracy", f"{results['top_5_accuracy']:.2%}"
    if "valid_loss" in results:
        yield "loss", f"{results['valid_loss']:.4f}"
    yield "images", f"{results['valid_images']:,}"
    after = f"{results['calibration_error_calibrated']:.4f} with the temperature {results['temperature']:.3g}"
    yield "calibration error", f"{results['calibration_error']:.4f}, {after}"


def _classes(results: dict[str, Any]) -> Table:
    rows = results["per_class"]
    shown = sorted(rows, key=lambda row: row["f1"])[:MAX_CLASSES] if len(rows) > MAX_CLASSES else rows
    title = f"class (the {MAX_CLASSES} of lowest F1)" if len(rows) > MAX_CLASSES else "class"
    table = Table(box=None, pad_edge=False)
    table.add_column(title, overflow="ellipsis", no_wrap=True)
    for name in ("precision", "recall", "F1", "images"):
        table.add_column(name, justify="right")
    for row in shown:
        shares = (f"{row[name]:.1%}" for name in ("precision", "recall", "f1"))
        table.add_row(row["name"], *shares, f"{row['support']:,}")
    return table


def _confusions(results: dict[str, Any]) -> Iterator[str]:
    """Yield a line with the most frequent confusions, unless every image is classified correctly."""
    names, counts = [row["name"] for row in results["per_class"]], results["confusion"]
    pairs = [(n, t, p) for t, row in enumerate(counts) for p, n in enumerate(row) if n and t != p]
    if pairs:
        most = sorted(pairs, reverse=True)[:MAX_CONFUSIONS]
        yield ""
        yield "confused most often: " + "; ".join(f"{names[t]} as {names[p]} {n:,}×" for n, t, p in most)
