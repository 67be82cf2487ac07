"""Runs of the app that are taken up again where they stopped."""

import math

import pytest

from benchmarks.runs import Job, run_all, summary

TINY = tuple("--data digits --size 8 --limit 32 --batch-size 16 --epochs 1 --device cpu".split())


def test_a_second_call_goes_on_where_the_first_stopped(tmp_path):
    jobs = [Job("plain", seed, (*TINY, "--no-ema"), tta=False) for seed in (0, 1)]
    (first,) = run_all(jobs[:1], tmp_path)
    metrics = tmp_path / "plain-0" / "metrics.json"
    before = metrics.stat().st_mtime_ns
    assert [run["seed"] for run in run_all(jobs, tmp_path)] == [0, 1]
    assert metrics.stat().st_mtime_ns == before

    metrics.unlink()  # as if the call had been interrupted after its last checkpoint
    again = {run["seed"]: run for run in run_all([*jobs, Job("late", 2, TINY)], tmp_path, budget=0)}
    assert again.keys() == {1}  # no time for others
    (again,) = run_all(jobs[:1], tmp_path)
    assert again["accuracy"] == first["accuracy"]
    assert "the run begins again" not in (tmp_path / "plain-0.log").read_text()


def test_a_run_that_fails_names_its_log(tmp_path):
    with pytest.raises(RuntimeError, match=r"bad-0 failed with code 2; see .*bad-0\.log"):
        list(run_all([Job("bad", 0, ("--epochs", "0"))], tmp_path))
    assert "epochs 0" in (tmp_path / "bad-0.log").read_text()


def test_the_summary_is_mean_and_sample_deviation():
    runs = [{"recipe": "a", "accuracy": a, "valid_loss": 1.0} for a in (0.9, 0.94)]
    group = summary(runs)["a"]
    assert group["runs"] == 2
    assert group["accuracy"]["mean"] == pytest.approx(0.92)
    assert group["accuracy"]["deviation"] == pytest.approx(math.sqrt(2 * 0.02**2))
    assert summary(runs[:1])["a"]["accuracy"]["deviation"] is None
