"""What the sections of a report are made from: everything that a run directory holds, and the run's images."""

import csv
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from data.common.errors import InputError
from learners.answers.outputs import Outputs
from learners.answers.stored_outputs import opened_outputs
from learners.device import pick_device
from learners.opened_run import OpenedRun, open_run
from learners.run import Run

Rows = list[dict[str, float]]


@dataclass(frozen=True)
class RunReport:
    """A finished run, as a section sees it.

    Attributes:
        path: the run directory.
        description: what `recipe.json` holds.
        metrics: what `metrics.json` holds.
        outputs: the answers of the model on the validation images; None where nobody can tell them any more.
        opened: the model and the images; None where they cannot be had.
        missing: why they cannot be had.
        quick: the report is made at the end of a fit on a CPU, where a section should take a second or two.
    """

    path: Path
    description: dict[str, Any]
    metrics: dict[str, Any]
    outputs: Outputs | None
    opened: OpenedRun | None
    missing: str = ""
    quick: bool = False

    @cached_property
    def history(self) -> Rows:
        """The rows of `history.csv`."""
        return read_rows(self.path / "history.csv")

    @cached_property
    def schedule(self) -> Rows:
        """The rows of `schedule.csv`."""
        return read_rows(self.path / "schedule.csv")

    @cached_property
    def model(self) -> dict[str, Any]:
        """What `model.json` holds."""
        return Run(self.path, new=False).read_json("model.json")

    @property
    def temperature(self) -> float:
        """What the logits are divided by; 1 for a run of an earlier version, which keeps none."""
        return self.model.get("temperature", 1.0)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """N×C, float64: of the outputs, which must be there, after the temperature."""
        assert self.outputs is not None
        return self.outputs.probabilities(self.temperature)

    def pixels(self, i: int) -> np.ndarray | None:
        """Validation image `i` as the model sees it, size×size×3, uint8; None where the images cannot be had.

        Raises:
            DataError: the image cannot be read, named.
        """
        return None if self.opened is None else self.opened.source.valid[i].read(self.opened.plan.size)


def open_report(path: Path, opened: OpenedRun | None = None) -> RunReport:
    """Read a finished run.

    Args:
        opened: at the end of a fit, its model and images; else they are looked for.

    Raises:
        RunDirectoryError: there is no such run, it is not finished, or a file of it is damaged.
    """
    run, missing, quick = Run.open(path), "", False
    metrics = run.read_json("metrics.json")
    if opened is None:
        try:
            opened = open_run(path, None)
            opened.saved.model.to(pick_device("auto"))
        except InputError as reason:
            missing = str(reason).split("; ")[0]  # what is wrong; what a command could do about it is left out
    else:
        quick = next(opened.saved.model.parameters()).device.type == "cpu"
    outputs = opened_outputs(path, opened)
    return RunReport(path, run.description, metrics, outputs, opened, missing, quick)


def read_rows(path: Path) -> Rows:
    """The rows of a table of numbers; NaN for an empty cell, and no rows where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(text or math.nan) for name, text in row.items()} for row in csv.DictReader(file)]
