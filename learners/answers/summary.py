"""The figures of a model's answers as plain values, and as a short table that a person reads."""

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

ROWS = 10  # classes in the table, the worst ones where there are more
PAIRS = 5  # confusions in the table


def evaluation_metrics(outputs: Outputs, temperature: float) -> dict[str, Any]:
    """What `evaluate` adds to accuracy and loss, in plain values.

    Args:
        temperature: of the run, which divides the logits.

    Returns:
        `accuracy_interval`: both ends of Wilson's 95% interval; `top_5_accuracy` where there are more than ten classes;
        `calibration_error` as the logits are and `calibration_error_calibrated` after the `temperature`; `per_class`;
        `confusion`: true classes in rows.
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
    """Print what `evaluate` found to stdout; names of classes are no markup."""
    Console(markup=False, highlight=False).print(evaluation_table(results))


def evaluation_table(results: dict[str, Any]) -> Group:
    """What `evaluate` found, in about twenty lines."""
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
        yield "among the first five", f"{results['top_5_accuracy']:.2%}"
    if "valid_loss" in results:
        yield "loss", f"{results['valid_loss']:.4f}"
    yield "images", f"{results['valid_images']:,}"
    after = f"{results['calibration_error_calibrated']:.4f} with the temperature {results['temperature']:.3g}"
    yield "calibration error", f"{results['calibration_error']:.4f}, {after}"


def _classes(results: dict[str, Any]) -> Table:
    rows = results["per_class"]
    shown = sorted(rows, key=lambda row: row["f1"])[:ROWS] if len(rows) > ROWS else rows
    title = f"class (the {ROWS} of lowest F1)" if len(rows) > ROWS else "class"
    table = Table(box=None, pad_edge=False)
    table.add_column(title, overflow="ellipsis", no_wrap=True)
    for name in ("precision", "recall", "F1", "images"):
        table.add_column(name, justify="right")
    for row in shown:
        shares = (f"{row[name]:.1%}" for name in ("precision", "recall", "f1"))
        table.add_row(row["name"], *shares, f"{row['support']:,}")
    return table


def _confusions(results: dict[str, Any]) -> Iterator[str]:
    """The most frequent ones, in a line; none where every image is classified correctly."""
    names, counts = [row["name"] for row in results["per_class"]], results["confusion"]
    pairs = [(n, t, p) for t, row in enumerate(counts) for p, n in enumerate(row) if n and t != p]
    if pairs:
        most = sorted(pairs, reverse=True)[:PAIRS]
        yield ""
        yield "confused most often: " + "; ".join(f"{names[t]} taken for {names[p]} {n:,}×" for n, t, p in most)
