"""A tracker gets the rows of history.csv, the recipe and the curves, and does not change the run."""

import csv

import pytest

from callbacks import tracking
from callbacks.tracking import Backend, TrackingError
from learners import image_learner, resume_learner
from tests.learners.small_runs import NAMED, Interrupted, observed, small_architecture

FIGURES = ("train_loss", "valid_loss", "accuracy", "lr")


@pytest.fixture(scope="module", autouse=True)
def _small():
    with small_architecture():
        yield


def history(run):
    with (run / "history.csv").open() as file:
        return [{name: float(row[name]) for name in FIGURES} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def untracked(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "untracked"
    image_learner(**NAMED, out=run).fit_recipe()
    return run


def read_tensorboard(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard")).Reload()
    rows = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in FIGURES}
    settings, *_ = (run / "tensorboard").rglob("hparams.yml")
    return rows, settings.read_text(), len(events.Images("curves"))


def read_mlflow(run):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{run / 'mlflow' / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'image24'")
    (tracked,) = client.search_runs([experiment.experiment_id])
    metrics = {name: client.get_metric_history(tracked.info.run_id, name) for name in FIGURES}
    rows = {name: [(metric.step, metric.value) for metric in found] for name, found in metrics.items()}
    pictures = len(list((run / "mlflow").rglob("curves.png")))
    return rows, "\n".join(f"{name}: {value}" for name, value in tracked.data.params.items()), pictures


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_it_holds_the_figures_the_recipe_and_the_curves(tmp_path, untracked, tracker):
    run = tmp_path / "run"
    image_learner(**NAMED, log=tracker, out=run).fit_recipe()
    rows, settings, pictures = {"tensorboard": read_tensorboard, "mlflow": read_mlflow}[tracker](run)
    expected = history(run)
    for name in FIGURES:
        assert [step for step, _ in rows[name]] == [0, 1, 2]
        assert [value for _, value in rows[name]] == pytest.approx([row[name] for row in expected], rel=1e-6)
    assert "batch_size: 16" in settings
    assert pictures == 1
    assert expected == history(untracked)


def test_weights_and_biases_stays_offline_and_is_complete(tmp_path, untracked):
    run = tmp_path / "run"
    image_learner(**NAMED, log="wandb", out=run).fit_recipe()
    (offline,) = (run / "wandb").glob("offline-run-*")
    assert len(list(offline.rglob("curves*.png"))) == 1
    (stored,) = offline.glob("*.wandb")
    content = stored.read_bytes()
    assert all(name.encode() in content for name in (*FIGURES, "batch_size"))
    assert history(run) == history(untracked)


def test_a_resumed_run_goes_on_after_its_last_epoch(tmp_path):
    run = tmp_path / "run"
    learn = image_learner(**NAMED, log="tensorboard", out=run)
    with pytest.raises(KeyboardInterrupt):
        observed(learn, 1, Interrupted(7)).fit_recipe(checkpoint_minutes=0)
    resume_learner(run).fit_recipe()
    rows, _, _ = read_tensorboard(run)
    assert {step for step, _ in rows["train_loss"]} == {0, 1, 2}


def test_a_learner_without_a_run_directory_is_refused():
    with pytest.raises(TrackingError, match="`log` tensorboard writes into a run directory: pass `out`"):
        image_learner(**NAMED, log="tensorboard").fit_recipe()


def test_a_package_that_is_missing_is_named_before_anything_is_written(tmp_path, monkeypatch):
    def never(*args: object) -> None:
        raise AssertionError

    monkeypatch.setitem(tracking.TRACKERS, "tensorboard", Backend(("accelerate", "no_such_package"), never, never))
    run = tmp_path / "run"
    with pytest.raises(TrackingError, match=r"not installed \(no_such_package\): pip install accelerate no_such_pack"):
        image_learner(**NAMED, log="tensorboard", out=run).fit_recipe()
    assert not (run / "recipe.json").exists()
