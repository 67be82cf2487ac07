"""The comparison of runs: McNemar's test against its closed form, and the page."""

import json
import re
import shutil
from dataclasses import replace
from math import comb

import numpy as np
import pytest

from learners.answers.comparison.page import FILE
from learners.answers.comparison.paired import paired
from learners.answers.outputs import FILE as OUTPUTS
from learners.answers.outputs import Outputs


def answers(predicted, targets=None, names=None):
    targets = np.zeros(len(predicted), int) if targets is None else targets
    return Outputs(np.eye(3)[predicted], targets, names or [str(i) for i in range(len(predicted))], ["a", "b", "c"])


def test_mcnemars_p_is_that_of_fair_coins():
    first, second = answers([0] * 9 + [1, 1, 0]), answers([1] * 9 + [0, 2, 0])
    found = paired(first, second)
    assert found.first_only.tolist() == list(range(9))
    assert found.second_only.tolist() == [9]
    assert found.p == pytest.approx(2 * (comb(10, 0) + comb(10, 1)) / 2**10)


def test_two_models_that_are_right_on_the_same_images_do_not_differ():
    assert paired(answers([0, 1]), answers([0, 2])).p == 1.0


def test_other_images_are_not_compared():
    first = answers([0, 1])
    assert paired(first, answers([0, 1], names=["0", "other"])) is None
    assert paired(first, answers([0, 1], targets=np.array([0, 1]))) is None
    assert paired(first, replace(first, classes=["x", "b", "c"])) is None


@pytest.fixture
def two_runs(copied_run, tmp_path):
    """Two runs; the second has another learning rate, and misclassifies two images that the first gets right."""
    other = shutil.copytree(copied_run, tmp_path / "other")
    recipe = json.loads((other / "recipe.json").read_text())
    (other / "recipe.json").write_text(json.dumps(recipe | {"lr": 0.123}))
    kept = Outputs.load(other / OUTPUTS)
    right = np.flatnonzero(kept.predicted == kept.targets)[:2]
    kept.logits[right] = -kept.logits[right]
    kept.save(other / OUTPUTS)
    return copied_run, other


def test_the_page_tells_what_differs_and_shows_the_images(two_runs, app):
    done = app("report", *two_runs, "--json")
    assert (done.code, done.json) == (0, {"report": str(two_runs[0] / FILE)})
    text = (two_runs[0] / FILE).read_text(encoding="utf-8")
    differing = text.split('<section id="recipes">')[1].split("</section>")[0]
    assert re.findall(r"<tr><th>([^<]+)</th>", differing) == ["lr"]
    assert "0.123" in differing
    pair = text.split('<section id="images-1">')[1]
    assert "run alone classifies 2 images correctly, other alone" in pair
    assert "<b>0.5</b>: the difference may be due to chance" in pair
    assert pair.count("<img") == 2


def test_runs_on_other_images_have_no_test(two_runs, app):
    kept = Outputs.load(two_runs[1] / OUTPUTS)
    replace(kept, names=kept.names[::-1]).save(two_runs[1] / OUTPUTS)
    assert app("report", *two_runs).code == 0
    text = (two_runs[0] / FILE).read_text(encoding="utf-8")
    assert "not validated on the same images" in " ".join(text.split())


def test_the_page_goes_where_it_is_told_to(two_runs, tmp_path, app):
    assert app("report", *two_runs, "--out", tmp_path / "page.html").code == 0
    assert (tmp_path / "page.html").exists()
    assert not (two_runs[0] / FILE).exists()
    done = app("report", two_runs[0], "--out", tmp_path / "none/page.html")
    assert (done.code, "none/page.html cannot be written" in done.err, "--out" in done.err) == (2, True, True)
