"""The harness for a bare machine, from the archives to the table, with digits in place of CIFAR-10."""

import json
import sys
import tarfile

from benchmarks import headline, readme_table, report, runs


def test_the_archives_are_unpacked_into_fastai_s_data_once(tmp_path, monkeypatch):
    monkeypatch.setattr(headline, "fastai_path", lambda name: tmp_path / "home" / name)
    for name in ("test", "train"):
        (tmp_path / "cifar10" / name).mkdir(parents=True)
        (tmp_path / "cifar10" / name / "0.png").write_text(name)
        with tarfile.open(tmp_path / f"{name}.tgz", "w:gz") as tar:
            tar.add(tmp_path / "cifar10" / name, f"cifar10/{name}")
    home = tmp_path / "home" / "data" / "cifar10"
    headline.unpack(tmp_path)
    assert {path.read_text() for path in home.glob("*/0.png")} == {"test", "train"}
    (home / "train" / "0.png").unlink()
    headline.unpack(tmp_path)
    assert not (home / "train" / "0.png").exists()


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
    assert "this project's default** | 24 |" in readme_table.render(tmp_path)
