"""The output of `evaluate`: one consistent JSON object, or a short table."""

import pytest

from learners.answers.summary import evaluation_table


@pytest.fixture(scope="module")
def run(small_run):
    return small_run


def test_json_holds_everything_and_adds_up(run, app):
    found = app("evaluate", run, "--json").json
    counts = found["confusion"]
    right = sum(row[i] for i, row in enumerate(counts))
    assert sum(map(sum, counts)) == found["valid_images"] == 100
    assert found["accuracy"] == pytest.approx(right / 100, abs=1e-6)
    low, high = found["accuracy_interval"]
    assert low < found["accuracy"] < high
    assert [sum(row) for row in counts] == [row["support"] for row in found["per_class"]]
    for i, row in enumerate(found["per_class"]):
        assert row["recall"] == pytest.approx(counts[i][i] / sum(counts[i]))
    assert found["calibration_error_calibrated"] != found["calibration_error"]
    assert "top_5_accuracy" not in found  # of ten classes


def test_a_person_reads_a_table(run, app):
    done = app("evaluate", run)
    assert done.code == 0, done.err
    assert "95% interval" in done.out
    assert [line.split()[0] for line in done.out.splitlines() if line.endswith("    10")] == [str(n) for n in range(10)]
    assert max(map(len, done.out.splitlines())) <= 80


def test_of_many_classes_the_worst_are_shown_and_names_are_not_markup(capsys):
    from rich.console import Console

    rows = [{"name": f"[b]{n}[/b]", "precision": 1, "recall": 1, "f1": n / 100, "support": 3} for n in range(100)]
    confusion = [[0] * 100 for _ in range(100)]
    confusion[7][9] = 3
    results = {
        "accuracy": 0.5,
        "accuracy_interval": [0.4, 0.6],
        "valid_images": 300,
        "calibration_error": 0.1,
        "calibration_error_calibrated": 0.05,
        "temperature": 1.3,
        "per_class": rows,
        "confusion": confusion,
    }
    Console(markup=False, highlight=False, width=100).print(evaluation_table(results))
    out = capsys.readouterr().out
    assert "[b]9[/b]" in out
    assert "[b]10[/b]" not in out
    assert "[b]7[/b] as [b]9[/b] 3×" in out
