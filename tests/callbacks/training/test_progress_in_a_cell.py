"""The progress of a fit in a notebook: one output that changes, with a live bar, and in the end the lines alone."""

import html
import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

SETUP = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from contextlib import suppress
from learners import image_learner
from tests.learners.small_runs import SMALL, Interrupted, small_net
learn = image_learner(**SMALL, model=small_net(), metrics=None);
"""
CELLS = ["learn.fit(3)", "learn.validate();", "with suppress(KeyboardInterrupt):\n    learn.fit(3, cbs=Interrupted(7))"]


class Watched(NotebookClient):
    """Keeps what each display is replaced by, in its order."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = []

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.seen.append((cell_index, msg["msg_type"], msg["content"]["data"]["text/html"]))
        return super().process_message(msg, cell, cell_index)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, [SETUP, *CELLS])))
    client = Watched(notebook, timeout=240, resources={"metadata": {"path": tmp_path_factory.mktemp("session")}})
    client.execute()
    return client


def displays(cell) -> list[str]:
    """The displays that remain in a cell, as text."""
    pages = [output["data"]["text/html"] for output in cell.outputs if output.output_type == "display_data"]
    return [html.unescape(re.sub(r"<[^>]+>", "", page)).strip() for page in pages]


def test_a_fit_ends_as_one_output_with_a_line_an_epoch(session):
    (shown,) = displays(session.nb.cells[1])
    lines = [line.split() for line in shown.splitlines()]
    assert [line[:2] for line in lines] == [["epoch", "0"], ["epoch", "1"], ["epoch", "2"]]
    assert all({"train_loss", "valid_loss", "images/s"} <= set(line) for line in lines)


def test_on_the_way_it_has_a_bar_that_moves(session):
    pages = [html.unescape(re.sub(r"<[^>]+>", "", page)) for index, _, page in session.seen if index == 1]
    kinds = [kind for index, kind, _ in session.seen if index == 1]
    assert kinds == ["display_data"] + ["update_display_data"] * (len(kinds) - 1)
    assert re.search(r"epoch 0 of 3 ━.* \d/6 .*images/s +loss \d.*lr", pages[0])
    assert any(re.search(r"epoch 2 of 3 ━.* 6/6 ", page) and "epoch   1  train_loss" in page for page in pages)
    assert any("epoch 1 of 3, validation ━" in page for page in pages)


def test_a_validation_on_its_own_leaves_no_output(session):
    assert displays(session.nb.cells[2]) == []


def test_after_ctrl_c_the_bar_is_gone_and_the_lines_are_there(session):
    (shown,) = displays(session.nb.cells[3])
    assert [line.split()[:2] for line in shown.splitlines()] == [["epoch", "0"]]
