"""Two processes train one run: the same model in both, each image once, exact metrics, one run directory."""

import json
import re

import pytest
import torch

from callbacks.checkpoint.checkpoint_file import read_state
from callbacks.parallel.processes import ProcessesError
from learners import image_learner, resume_learner
from learners.answers.evaluation import evaluate
from learners.models import MODELS
from learners.training.multi_process import log_unused_gpus, share_between_processes
from tests.learners.parallel.exact_step import SETTINGS, net, parameters
from tests.learners.parallel.launches import HERE, launch, seen, small_job
from tests.learners.parallel.small_job import Narrow
from tests.real_cifar10 import few_of_cifar10, needs_cifar10

CHECKPOINTED = re.compile(r"stopped in epoch (\d+) after step (\d+) of 6")


@pytest.fixture(scope="module")
def narrow():
    MODELS["narrow"] = Narrow
    yield
    del MODELS["narrow"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run of two processes: 97 images, 6 steps of 16 images per epoch."""
    folder = tmp_path_factory.mktemp("whole")
    done = small_job(folder)
    assert done.code == 0, done.err
    return folder, done


def test_both_processes_hold_one_model(whole):
    first, second = seen(whole[0])
    assert first["state"] == second["state"]
    assert [without_times(row) for row in first["rows"]] == [without_times(row) for row in second["rows"]]
    assert first["metrics"] == second["metrics"]


def test_each_image_is_trained_on_by_one_process_once_an_epoch(whole):
    for first, second in zip(*(found["epochs"] for found in seen(whole[0])), strict=True):
        assert len(first) == len(second) == 48  # of 97, one is left over for a batch of 16
        assert len({*first, *second}) == 96


@pytest.mark.usefixtures("narrow")
def test_validation_counts_each_image_of_an_odd_set_once(whole):
    run = whole[0] / "run"
    metrics, alone = json.loads((run / "metrics.json").read_text()), evaluate(run)
    assert metrics["valid_images"] == alone["valid_images"] == 97
    assert metrics["accuracy"] == pytest.approx(alone["accuracy"], rel=0, abs=1e-6)  # an image is 0.01
    assert metrics["valid_loss"] == pytest.approx(alone["valid_loss"], rel=1e-5)


def test_one_process_writes_and_prints(whole):
    folder, done = whole
    assert len(done.out.splitlines()) == 1
    assert json.loads(done.out)["epochs"] == 3
    assert [line.split()[1] for line in done.err.splitlines() if line.startswith("epoch")] == ["0", "1", "2"]
    assert json.loads((folder / "run/recipe.json").read_text())["processes"] == 2
    assert len((folder / "run/history.csv").read_text().splitlines()) == 4
    assert len((folder / "run/schedule.csv").read_text().splitlines()) == 19


def test_another_number_of_processes_cannot_resume_it(whole, tmp_path):
    run = whole[0] / "run"
    with pytest.raises(ProcessesError, match=r"trained by 2 processes and cannot be resumed by 1.*nproc_per_node 2"):
        resume_learner(run)


def test_a_killed_process_ends_the_other_and_the_run_resumes_exactly(whole, tmp_path):
    killed = small_job(tmp_path, then="Kill", rank=1)
    assert killed.code != 0
    assert killed.seconds < 60
    assert "another process of this run ended, and process 0 cannot continue without it" in killed.err
    resumed = small_job(tmp_path, resume=True)
    assert resumed.code == 0, resumed.err
    assert same_run(tmp_path, whole[0])


def test_an_error_of_one_process_ends_both_with_its_message(tmp_path):
    failed = small_job(tmp_path, then="Fail", rank=1)
    assert failed.code != 0
    assert failed.seconds < 60
    assert "TrainingError: this process alone cannot go on" in failed.err
    assert not (tmp_path / "run/metrics.json").exists()


def test_a_signal_to_one_process_ends_both_after_the_same_step(tmp_path):
    stopped = small_job(tmp_path, then="Interrupt", rank=1)
    assert stopped.code != 0
    [(epoch, step)] = CHECKPOINTED.findall(stopped.err)
    state = read_state(tmp_path / "run/checkpoint.pt")
    assert (state["epoch"], state["step"]) == (int(epoch), int(step)) == (1, 3)  # it was sent after the eighth of all


def test_two_halves_of_a_batch_are_one_step_of_the_whole(tmp_path):
    done = launch(HERE / "exact_step.py", tmp_path)
    assert done.code == 0, done.err
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2))
    for name in ("even", "uneven"):  # batches of 32, and of 32 and 5
        alone = parameters(tmp_path / f"alone-{name}", name == "uneven")
        assert first[name].dtype == torch.float64
        assert torch.equal(first[name], second[name])
        assert (first[name] - alone).abs().max() < 1e-10
        start = torch.cat([p.detach().flatten() for p in net().parameters()])
        assert (alone - start).abs().max() > 1e-3  # they moved


ONE_EPOCH = ["--batch-size", 16, "--epochs", 1, "--device", "cpu", "--json", "--out"]
APP = HERE.parents[2] / "app.py"


def test_the_command_line_under_accelerate(tmp_path):
    accelerate = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1".split()
    plain = ["--mixed_precision", "no", "--dynamo_backend", "no"]
    flags = "fit --data digits --size 8 --limit 41".split()
    done = launch(APP, *flags, *ONE_EPOCH, tmp_path / "run", launcher=(*accelerate, *plain))
    assert done.code == 0, done.err
    assert json.loads(done.out)["valid_images"] == 41
    assert json.loads((tmp_path / "run/recipe.json").read_text())["processes"] == 2


@needs_cifar10
def test_the_command_line_under_torchrun_on_cifar10(tmp_path):
    folder, run = few_of_cifar10(tmp_path), tmp_path / "run"
    done = launch(APP, "fit", "--data", folder, "--limit", 41, *ONE_EPOCH, run)
    assert done.code == 0, done.err
    found, alone = json.loads(done.out), evaluate(run)
    assert (found["valid_images"], found["parameters"]) == (41, 11_173_962)
    assert found["accuracy"] == pytest.approx(alone["accuracy"], rel=0, abs=1e-6)  # an image is 0.024


def test_what_is_not_a_fit_runs_in_one_process(app, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = app("evaluate", tmp_path)
    assert (done.code, "evaluate runs in one process" in done.err) == (2, True)


def test_without_a_run_directory_several_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ProcessesError, match="name its directory as `out`"):
        image_learner(**SETTINGS)


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    class Three:
        class share:
            count = 3

    with pytest.raises(ProcessesError, match=r"3 processes cannot share a batch of 32 .* multiple of 3, such as 30"):
        share_between_processes(image_learner(**SETTINGS), Three)


def test_unused_gpus_are_told(caplog):
    log_unused_gpus(torch.device("cuda"), 4)
    assert "one of 4 GPUs" in caplog.text
    assert "--nproc_per_node 4" in caplog.text
    caplog.clear()
    log_unused_gpus(torch.device("cpu"), 4)
    log_unused_gpus(torch.device("cuda"), 1)
    assert not caplog.text


def without_times(row):
    return {name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}


def same_run(one, other):
    """Return whether two folders hold the same weights, schedule and metrics, bit for bit."""
    files = ("model.safetensors", "schedule.csv")
    same = all((one / "run" / name).read_bytes() == (other / "run" / name).read_bytes() for name in files)
    figures = [json.loads((folder / "run/metrics.json").read_text()) for folder in (one, other)]
    return same and figures[0]["valid_loss"] == figures[1]["valid_loss"]
