"""A notebook shows a figure that is the result of a cell as one image, with and without pyplot."""

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from callbacks.gradcam.plots import plot_panels
from tests.conftest import ROOT

SETUP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from callbacks import GradCAMCallback, GradCAMInterpretation
from learners import image_learner
looking = GradCAMCallback(count=2)
learn = image_learner("digits", size=8, limit=40, batch_size=10, epochs=2, whiten=False, device="cpu", cbs=[looking])
found = learn.lr_find(num_it=40)
learn.fit_recipe();
"""
SHOWN = [
    "learn.plot_curves()",
    "found",
    "found.plot()",
    "learn.lr_find(num_it=40)",
    "looking",
    "looking.plot()",
    "GradCAMInterpretation.from_learner(learn, method='gradcam')",
    "GradCAMInterpretation.from_learner(learn, method='gradcam').plot_top_losses(2)",
]


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The executed cells of a notebook, first without and then with the inline backend."""
    cell = nbformat.v4.new_code_cell
    notebook = nbformat.v4.new_notebook(cells=[cell(SETUP), *map(cell, SHOWN), cell("%matplotlib inline")])
    notebook.cells += map(cell, SHOWN)
    folder = tmp_path_factory.mktemp("session")
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": folder}}).execute()
    return notebook.cells


def pictures(cell) -> list:
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


@pytest.mark.parametrize("place", [*range(1, 1 + len(SHOWN)), *range(2 + len(SHOWN), 2 + 2 * len(SHOWN))])
def test_a_notebook_shows_it_once(cells, place):
    assert cells[place].source in SHOWN
    assert len(pictures(cells[place])) == 1


def test_a_look_at_each_epoch_is_one_picture_that_changes(cells):
    assert len(pictures(cells[0])) == 1


def test_the_picture_is_a_png_that_fills_a_notebook(tmp_path):
    figure = plot_panels([], 6, "No images")
    (tmp_path / "figure.png").write_bytes(figure._repr_png_())
    with Image.open(tmp_path / "figure.png") as image:
        assert image.format == "PNG"
        assert image.width == pytest.approx(110 * figure.get_figwidth(), abs=2)
