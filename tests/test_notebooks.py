"""The notebooks run from top to bottom and define nothing."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "nbs"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_calls_the_library_and_defines_nothing(name):
    for cell in code(nbformat.read(FOLDER / name, as_version=4)):
        nodes = ast.walk(ast.parse(cell.source))
        assert not [n for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.For)]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_and_draws(name, tmp_path):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    for cell in code(notebook):  # a run of seconds
        cell.source = cell.source.replace('"digits"', '"digits", size=8, limit=96').replace(
            'os.path.abspath("..")', repr(str(FOLDER.parent))
        )
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not list(tmp_path.iterdir())  # a session without `out` writes nothing
