"""A notebook and the command line give the same figures, and the command line needs nothing of Jupyter."""

import csv
import json
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

JUPYTER = "IPython ipykernel ipywidgets jupyter_client jupyter_core nbclient nbformat matplotlib_inline traitlets"
WITHOUT = f"""
import sys
sys.modules.update(dict.fromkeys({JUPYTER.split()}))  # what is None there cannot be imported
from app import main
raise SystemExit(main())
"""
CELLS = """
import json, os, sys
sys.path.insert(0, os.path.abspath({root!r}))
from learners import image_learner
learn = image_learner(**{settings})
metrics = learn.fit_recipe()
---
epochs, steps = learn.fitted.epochs, learn.fitted.steps
print(json.dumps([metrics, [row.csv_row() for row in epochs], [row._asdict() for row in steps]]))
"""
MEASURED_TIMES = ("seconds", "images_per_second", "loader_wait_seconds", "warmup_seconds")


def without_times(figures):
    return {name: value for name, value in figures.items() if name not in MEASURED_TIMES}


def numbers(path):
    """The rows of a CSV file without times, as numbers."""
    with path.open() as file:
        return [{k: float(v) for k, v in without_times(row).items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def settings():
    return {"data": "digits", "size": 8, "limit": 64, "batch_size": 16, "epochs": 2, "seed": 3}


@pytest.fixture(scope="module")
def command(settings, tmp_path_factory):
    """The run directory of `app.py fit` in a process that cannot import Jupyter, and what it printed."""
    run = tmp_path_factory.mktemp("command") / "run"
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    line = [sys.executable, "-c", WITHOUT, "fit", *flags, "--out", run, "--json"]
    return run, subprocess.run(line, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def notebook(settings, tmp_path_factory):
    """The metrics, the epochs and the steps that a notebook's cells print."""
    sources = CELLS.format(root=str(ROOT), settings=settings).split("---")
    cells = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, sources)))
    folder = tmp_path_factory.mktemp("notebook")
    NotebookClient(cells, timeout=240, resources={"metadata": {"path": folder}}).execute()
    return json.loads(cells.cells[1].outputs[0].text)


def test_the_command_line_works_without_jupyter(command):
    run, done = command
    assert done.returncode == 0, done.stderr
    assert (run / "report.html").is_file()


def test_the_metrics_are_the_same_to_the_last_digit(command, notebook):
    run, done = command
    told = json.loads(done.stdout)
    assert told.pop("run") == str(run)
    assert without_times(told) == without_times(notebook[0])


def test_each_epoch_is_the_same_to_the_last_digit(command, notebook):
    assert numbers(command[0] / "history.csv") == [without_times(row) for row in notebook[1]]


def test_each_step_has_the_same_rate(command, notebook):
    assert numbers(command[0] / "schedule.csv") == notebook[2]
