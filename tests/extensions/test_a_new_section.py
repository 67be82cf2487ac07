"""A new section of the report needs one new file: a function that is registered under its title."""

import pytest

from learners import image_learner
from learners.answers import sections as package
from learners.answers.page import report_run
from learners.answers.section import SECTIONS

FILE = '''
"""The number of validation images."""

from markupsafe import Markup

from learners.answers.html import render
from learners.answers.run_report import RunReport
from learners.answers.section import section


@section("Counted <by> hand", order=15)
def counted(report: RunReport) -> Markup | None:
    return render("<p>{{ n }} images</p>", n=report.metrics["valid_images"])
'''


@pytest.fixture
def contributed(tmp_path, monkeypatch):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/counted.py").write_text(FILE)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "more")])
    yield
    SECTIONS.pop("counted", None)


def test_it_stands_where_its_order_says(contributed, tiny, tmp_path):
    image_learner(**tiny, out=tmp_path / "run").fit_recipe()
    text = report_run(tmp_path / "run").read_text(encoding="utf-8")
    places = [text.index(f'<section id="{name}">') for name in ("summary", "counted", "curves")]
    assert places == sorted(places)
    assert "<h2>Counted &lt;by&gt; hand</h2>" in text
    assert "<p>64 images</p>" in text
