"""The README's figures are those of the committed JSON."""

import json

import pytest

from benchmarks.readme_table import END, README, START, render, replaced


def test_the_readme_and_the_figures_agree():
    readme = README.read_text(encoding="utf-8")
    assert replaced(readme, render()) == readme, "run python -m benchmarks.readme_table"


def report(folder, name, runs, gpu=None, planned=3):
    spread = {"mean": 0.95504, "deviation": 0.00123}
    summary = {"default": {"runs": runs, "accuracy": spread, "accuracy_tta": {"mean": 0.9604, "deviation": None}}}
    machine = {"gpu": gpu, "cpu": "a processor"}
    rows = [{"recipe": "default", "seconds": 33.3}] * runs
    stored = {"summary": summary, "machine": machine, "planned": planned, "runs": rows}
    (folder / f"{name}.json").write_text(json.dumps(stored))


def test_without_json_it_says_that_nothing_was_measured(tmp_path):
    assert "not measured yet" in render(tmp_path)
    assert "**not measured**" in render(tmp_path)


def test_means_and_deviations_are_percentages_and_the_machine_is_named(tmp_path):
    report(tmp_path, "headline", runs=3, gpu="a card")
    report(tmp_path, "small_scale", runs=2)
    table = render(tmp_path)
    assert "| **this project's default** | 24 | 95.50% ± 0.12 | 96.04% | 3 | a card, 33 s |" in table
    assert "on a processor:" in table
    assert "1 of 3 runs are still to come" in table
    assert "not measured" not in table


def test_published_figures_stand_beside_ours(tmp_path):
    table = render(tmp_path)
    assert "| 26 | 93.44% | 94.00% | 200 | A100, 52 s |" in table
    assert "| 24 | 86.80% |  | 1 |  |" in table


def test_only_what_is_between_the_marks_is_replaced():
    assert replaced(f"before\n{START}\nold\n{END}\nafter", "new") == f"before\n{START}\n\nnew\n\n{END}\nafter"


@pytest.mark.parametrize("readme", ["", START, f"{START}{START}{END}", f"{END}"])
def test_a_readme_without_its_marks_is_refused(readme):
    with pytest.raises(ValueError, match="each once"):
        replaced(readme, "new")
