"""Claim: on a run of CIFAR-10 the fitted temperature makes the expected calibration error at most half as large.

The temperature is fitted on one half of the test images and measured on the other.

Also: the share of images with an answer if the model answers only from a probability of 0.9 on, and its accuracy on
them. The halves are drawn once, with seed 0; each is measured with the temperature of the other.

    python -m benchmarks.calibration RUN
"""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.report import write_report
from learners.answers.outputs import Outputs
from learners.answers.prediction_metrics import accuracy_of, calibration_error, reliability, share
from learners.answers.stored_outputs import run_outputs
from learners.answers.temperature import fit_temperature
from learners.run_directory.run import Run

UNSURE = 0.9  # the probability of the predicted class below which nothing is answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    outputs = run_outputs(run)
    order = np.random.default_rng(0).permutation(len(outputs.targets))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    rows = [measured(outputs, fit, test) for fit, test in (halves, halves[::-1])]
    print_table(rows)
    ratio = max(row["ece_after"] / row["ece_before"] for row in rows)
    accuracy = asdict(accuracy_of(outputs.logits, outputs.targets))
    figures = {"data": Run.open(run).recipe.data, "accuracy": accuracy, "largest_ratio": ratio, "halves": rows}
    write_report("calibration", figures)


def measured(outputs: Outputs, fit: np.ndarray, test: np.ndarray) -> dict:
    """Return the results on the images `test`, with the temperature fitted on the images `fit`."""
    temperature = fit_temperature(outputs.logits[fit], outputs.targets[fit])
    return {
        "temperature": temperature,
        "images": len(test),
        "ece_before": error_of(outputs, test, 1.0),
        "ece_after": error_of(outputs, test, temperature),
        "unsure_below": UNSURE,
        "before": answered(outputs, test, 1.0),
        "after": answered(outputs, test, temperature),
    }


def error_of(outputs: Outputs, test: np.ndarray, temperature: float) -> float:
    return calibration_error(reliability(outputs.probabilities(temperature)[test], outputs.targets[test]))


def answered(outputs: Outputs, test: np.ndarray, temperature: float) -> dict:
    """Return the fraction of images with an answer, and the accuracy on them."""
    sure = outputs.probabilities(temperature)[test].max(1) >= UNSURE
    hits = (outputs.predicted == outputs.targets)[test][sure]
    return {"answered": float(sure.mean()), "accuracy": asdict(share(int(hits.sum()), int(sure.sum())))}


def print_table(rows: list[dict]) -> None:
    table = Table("fitted on", "temperature", "ECE before", "ECE after", f"answered at {UNSURE}", "accuracy on them")
    for name, row in zip(("first half", "second half"), rows, strict=True):
        right = row["after"]["accuracy"]
        errors = f"{row['ece_before']:.4f}", f"{row['ece_after']:.4f}"
        interval = f"{right['value']:.2%} ({right['low']:.2%} to {right['high']:.2%})"
        table.add_row(name, f"{row['temperature']:.3f}", *errors, f"{row['after']['answered']:.1%}", interval)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
