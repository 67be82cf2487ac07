"""The figures of README.md and docs/RESULTS.md are those of the committed JSON files."""

import json

import pytest

from benchmarks.measured import BENCHMARKS, table
from benchmarks.readme_table import ALL_RESULTS, END, README, START, render_readme, render_results, replaced
from benchmarks.report import RESULTS


@pytest.mark.parametrize(("path", "render"), [(README, render_readme), (ALL_RESULTS, render_results)])
def test_the_documents_and_the_figures_agree(path, render):
    text = path.read_text(encoding="utf-8")
    assert replaced(text, render()) == text, "run python -m benchmarks.readme_table"


def test_every_row_has_all_columns():
    lines = table(RESULTS, list(BENCHMARKS)).splitlines()
    assert len(lines) > 40
    assert {line.count(" | ") for line in lines[2:]} == {4}


def report(folder, name, runs, gpu=None, planned=3):
    spread = {"mean": 0.95504, "deviation": 0.00123}
    summary = {"default": {"runs": runs, "accuracy": spread, "accuracy_tta": {"mean": 0.9604, "deviation": None}}}
    machine = {"gpu": gpu, "cpu": "a processor"}
    rows = [{"recipe": "default", "seconds": 33.3}] * runs
    stored = {"summary": summary, "machine": machine, "planned": planned, "runs": rows}
    (folder / f"{name}.json").write_text(json.dumps(stored))


def test_without_json_it_says_that_nothing_was_measured(tmp_path):
    assert "not measured yet" in render_readme(tmp_path)
    assert "**not measured**" in render_results(tmp_path)


def test_means_and_deviations_are_percentages_and_the_machine_is_named(tmp_path):
    report(tmp_path, "headline", runs=3, gpu="a card")
    report(tmp_path, "small_scale", runs=2)
    readme, results = render_readme(tmp_path), render_results(tmp_path)
    assert "| **this project's default** | 24 | 95.50% ± 0.12 | 96.04% | 3 | a card, 33 s |" in readme
    assert "on a processor:" in results
    assert "1 of 3 runs are still to come" in results
    assert "not measured" not in readme + results


def test_published_figures_stand_beside_ours(tmp_path):
    shown = render_readme(tmp_path)
    assert "| 26 | 93.44% | 94.00% | 200 | A100, 52 s |" in shown
    assert "| 24 | 86.80% |  | 1 |  |" in shown


def test_only_what_is_between_the_marks_is_replaced():
    assert replaced(f"before\n{START}\nold\n{END}\nafter", "new") == f"before\n{START}\n\nnew\n\n{END}\nafter"


@pytest.mark.parametrize("readme", ["", START, f"{START}{START}{END}", f"{END}"])
def test_a_readme_without_its_marks_is_refused(readme):
    with pytest.raises(ValueError, match="each once"):
        replaced(readme, "new")
