"""The notebooks run from top to bottom, define nothing, and are committed with their outputs."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "nbs"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))
DRAWS = re.compile(r"\.(plot\w*|show_batch|show_results)\(|GradCAMCallback\(|^(found|interp)$", re.MULTILINE)
PICTURES = {"image/png", "image/svg+xml"}


def read(name):
    return nbformat.read(FOLDER / name, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(cell):
    return [output for output in cell.outputs if PICTURES & set(output.get("data", {}))]


def test_they_are_the_five():
    assert [name[:3] for name in NOTEBOOKS] == ["00_", "01_", "02_", "03_", "04_"]
    assert len({code(read(name))[0].source for name in NOTEBOOKS}) == 1  # one and the same setup cell


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_calls_the_library_and_defines_nothing(name):
    for cell in code(read(name)):
        nodes = ast.walk(ast.parse(cell.source))
        assert not [n for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.For | ast.While)]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_committed_outputs_are_complete_and_without_noise(name):
    cells = code(read(name))
    drawing = [cell for cell in cells if DRAWS.search(cell.source)]
    assert drawing
    assert all(pictures(cell) for cell in drawing)
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    said = [o for o in outputs if not PICTURES & set(o.get("data", {}))]
    shown = "\n".join(str(output.get("text", output.get("data", {}))) for output in said)
    assert not re.search(r"Warning|<Figure|(?<![\w.<])/(root|home|tmp|opt|work)\b", shown)
    numbers = [cell.execution_count for cell in cells]
    assert numbers == list(range(1, len(cells) + 1))  # from the top, in one go


def resumed_and_straight(notebook):
    """The figures of the run that was interrupted and resumed, beside those of one that was not, by name."""
    return ast.literal_eval(code(notebook)[-1].outputs[-1]["data"]["text/plain"])


def test_the_run_that_was_interrupted_has_the_figures_of_one_that_was_not():
    figures = resumed_and_straight(read("02_fit.ipynb"))
    assert figures.keys() == {"valid_loss", "accuracy"}
    assert all(resumed == straight for resumed, straight in figures.values())


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_from_the_top_and_draws(name):
    committed, notebook = read(name), read(name)
    for cell in code(notebook):
        cell.outputs = []
    before = sorted(FOLDER.rglob("*"))
    NotebookClient(notebook, timeout=1000, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert [bool(pictures(cell)) for cell in code(notebook)] == [bool(pictures(cell)) for cell in code(committed)]
    assert sorted(FOLDER.rglob("*")) == before  # a session without `out` writes nothing
    if name.startswith("02"):
        assert all(resumed == straight for resumed, straight in resumed_and_straight(notebook).values())
