"""A new metric is a function; every file and progress line shows it under the name of the function."""

import csv
import json

import pytest
from fastai.metrics import Precision

from callbacks.training.means import accuracy
from learners import image_learner


def top_5_accuracy(logits, targets):
    """Returns the fraction of targets that are among the five largest logits."""
    return (logits.topk(5).indices == targets[:, None]).any(1).float().mean()


def test_it_is_in_the_history_the_metrics_the_progress_and_the_curves(tiny, tmp_path, capfd):
    metrics = (accuracy, top_5_accuracy, Precision(average="macro"))
    learn = image_learner(**tiny, metrics=metrics, out=tmp_path / "run")
    results = learn.fit_recipe()
    with (tmp_path / "run/history.csv").open() as file:
        rows = list(csv.DictReader(file))
    stored = json.loads((tmp_path / "run/metrics.json").read_text())
    for name in ("accuracy", "top_5_accuracy", "precision_score"):
        assert float(rows[-1][name]) == results[name] == stored[name]
    logits, targets = learn.get_preds()
    assert results["top_5_accuracy"] == pytest.approx(top_5_accuracy(logits, targets).item())
    assert results["accuracy"] < results["top_5_accuracy"]
    assert "top_5_accuracy" in capfd.readouterr().err
    labels = [text.get_text() for text in learn.plot_curves().axes[1].get_legend().get_texts()]
    assert labels == [
        "training, augmented",
        *(f"{name}, validation" for name in ("accuracy", "top_5_accuracy", "precision_score")),
    ]


def test_without_accuracy_nothing_is_called_by_its_name(tiny):
    results = image_learner(**tiny, metrics=(top_5_accuracy,)).fit_recipe()
    assert "accuracy" not in results
    assert 0 <= results["top_5_accuracy"] <= 1
