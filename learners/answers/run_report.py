"""The data of a report: the files of a run directory, and the model and images of the run."""

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
from learners.run_directory.opened_run import OpenedRun, open_run
from learners.run_directory.run import Run

Rows = list[dict[str, float]]  # rows of a table, as values by column name


@dataclass(frozen=True)
class RunReport:
    """The data of a finished run, from which the sections of a report are made.

    Attributes:
        path: the run directory.
        description: content of `recipe.json`.
        metrics: content of `metrics.json`.
        outputs: outputs of the model on the validation images; None if they are not stored and cannot be computed.
        opened: model and images; None if they cannot be read.
        missing: why model and images cannot be read.
        quick: whether the report is made at the end of a fit on a CPU; a section should then take at most two seconds.
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
        """The content of `model.json`."""
        return Run(self.path, new=False).read_json("model.json")

    @property
    def temperature(self) -> float:
        """The number that the logits are divided by; 1 for an older run, whose `model.json` has none."""
        return self.model.get("temperature", 1.0)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The probabilities after the temperature, N×C, float64; `outputs` must not be None."""
        assert self.outputs is not None
        return self.outputs.probabilities(self.temperature)

    def pixels(self, i: int) -> np.ndarray | None:
        """Return validation image `i` at the size of the model, size×size×3, uint8; None if `opened` is None.

        Raises:
            DataError: the image cannot be read; the message names it.
        """
        return None if self.opened is None else self.opened.source.valid[i].read(self.opened.plan.size)


def open_report(path: Path, opened: OpenedRun | None = None) -> RunReport:
    """Read the data of a finished run.

    Args:
        path: the run directory.
        opened: model and images, if they are already loaded as at the end of a fit; otherwise they are loaded.

    Raises:
        RunDirectoryError: there is no run, it is not finished, or one of its files is damaged.
    """
    run, missing, quick = Run.open(path), "", False
    metrics = run.read_json("metrics.json")
    if opened is None:
        try:
            opened = open_run(path, None)
            opened.saved.model.to(pick_device("auto"))
        except InputError as reason:
            missing = str(reason).split("; ")[0]  # without the hint, which is about a command
    else:
        quick = next(opened.saved.model.parameters()).device.type == "cpu"
    outputs = opened_outputs(path, opened)
    return RunReport(path, run.description, metrics, outputs, opened, missing, quick)


def read_rows(path: Path) -> Rows:
    """Return the rows of a CSV file of numbers; an empty cell is NaN, and a missing file has no rows."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(text or math.nan) for name, text in row.items()} for row in csv.DictReader(file)]
