"""The headline, from its runs to the table, with digits in place of CIFAR-10."""

import json
import sys

from benchmarks import headline, readme_table, report, runs


def test_a_seed_ends_in_the_json_with_what_it_ran_on(tmp_path, tiny_flags, monkeypatch, capsys):
    monkeypatch.setattr(headline, "FLAGS", " ".join([*tiny_flags, "--device", "cpu"]))
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["headline", "--seeds", "1"])
    headline.main()
    written = json.loads((tmp_path / "headline.json").read_text())
    assert [run["seed"] for run in written["runs"]] == [0]
    for run in written["runs"]:
        assert run["epochs"] == 2
        assert run["train_images"] == 64
        assert 0 <= run["accuracy_tta"] <= 1
        assert run["warmup_seconds"] == 0  # nothing to warm on a CPU
        assert 0 < run["loader_wait_seconds"] < run["seconds"]
    assert written["machine"]["cpu"]
    assert written["versions"]["torch"]
    assert "loader's wait" in capsys.readouterr().out
    assert "this project's default** | 24 |" in readme_table.render_readme(tmp_path)
