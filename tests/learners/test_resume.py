"""A killed and resumed run equals the uninterrupted run, bit for bit."""

import csv
import json
import os
import random
import signal

import pytest
import torch
from fastai.callback.core import Callback

from callbacks.checkpoint.checkpoint_file import read_state, write_state
from data import DataError
from data.common.errors import TrainingError
from data.sources.digits import digits_folder
from learners.device import precision
from learners.recipe import RecipeError
from learners.resume import stored_recipe
from learners.run_directory.run import Run
from tests.learners.small_runs import ALL_STEPS, STEPS, Kill, begin, go_on, in_process, learner, outcome, resumed


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run without interruption, which wrote one checkpoint per epoch."""
    out = tmp_path_factory.mktemp("straight") / "run"
    assert in_process(begin, out, minutes=5) == 0
    return out


@pytest.fixture(scope="module")
def expected(straight):
    return outcome(straight)


def test_the_uninterrupted_run_is_itself_repeatable(straight, expected, tmp_path):
    assert in_process(begin, tmp_path / "run") == 0
    assert outcome(tmp_path / "run") == expected
    assert len((straight / "schedule.csv").read_text().splitlines()) == ALL_STEPS + 1


WITHIN = sorted(random.Random(6).sample([k for k in range(1, ALL_STEPS) if k % STEPS], 4))


@pytest.mark.parametrize(
    ("kill", "workers"),
    [(Kill(k), 0) for k in WITHIN]
    + [(Kill(STEPS), 0), (Kill(STEPS, validating=True), 0), (Kill(ALL_STEPS, validating=True), 0)]
    + [(Kill(WITHIN[1]), 2), (Kill(2 * STEPS), 2)],
    ids=lambda x: f"{x.steps}{'v' * x.validating}" if isinstance(x, Kill) else f"{x}w",
)
def test_killed_and_resumed_is_uninterrupted(tmp_path, expected, kill, workers):
    out = tmp_path / "run"
    assert in_process(begin, out, kill, workers=workers) == -signal.SIGKILL
    assert not (out / "metrics.json").exists()
    assert in_process(go_on, out, minutes=5) == 0
    assert outcome(out) == expected


def test_resumed_twice_with_other_workers(tmp_path, expected):
    out = tmp_path / "run"
    assert in_process(begin, out, Kill(4)) == -signal.SIGKILL
    assert in_process(go_on, out, Kill(11), workers=2) == -signal.SIGKILL
    assert in_process(go_on, out, workers=0) == 0
    assert outcome(out) == expected


@pytest.mark.parametrize("kill", [Kill(8), Kill(2 * STEPS, validating=True)], ids=["step", "validation"])
def test_the_average_of_the_weights_goes_on_too(tmp_path, kill):
    assert in_process(begin, tmp_path / "straight", ema=True, minutes=5) == 0
    assert in_process(begin, tmp_path / "run", kill, ema=True) == -signal.SIGKILL
    assert in_process(go_on, tmp_path / "run") == 0
    assert outcome(tmp_path / "run") == outcome(tmp_path / "straight")


class KillAtOnce(Callback):
    """Sends SIGKILL in the middle of a step, while a checkpoint may be half-written."""

    run_valid = False

    def after_pred(self):
        if self.train_iter == 8:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_that_the_writer_does_not_know_of(tmp_path, expected):
    out = tmp_path / "run"
    assert in_process(begin, out, KillAtOnce()) == -signal.SIGKILL
    (out / ".checkpoint.draft.pt").write_bytes(b"half of one")
    assert in_process(go_on, out) == 0
    assert outcome(out) == expected
    assert not list(out.glob(".*draft*"))


class Signal(Callback):
    """Sends signals to its own process after a batch."""

    def __init__(self, number, steps, validating=False, times=1):
        self.number, self.steps, self.validating, self.times = number, steps, validating, times
        self.seen = 0

    def before_batch(self):
        if self.train_iter >= self.steps and self.training != self.validating and self.seen == 0:
            self.seen = 1
            for _ in range(self.times):
                signal.raise_signal(self.number)  # in this thread: two that another gets at once may count as one


@pytest.mark.parametrize("validating", [False, True])
def test_ctrl_c_ends_after_the_step_and_the_same_session_can_go_on(tmp_path, expected, validating, caplog):
    out, former = tmp_path / "run", signal.getsignal(signal.SIGINT)
    learn = learner(1, Signal(signal.SIGINT, 8, validating), out=out)
    with pytest.raises(KeyboardInterrupt):
        learn.fit_recipe()
    assert learn.train_iter == (2 * STEPS if validating else 9)  # the step that was under way is done
    assert f"resume_learner('{out}')" in caplog.text
    assert signal.getsignal(signal.SIGINT) is former
    assert len(learn.fit_recipe()) > 0
    assert outcome(out) == expected


@pytest.fixture
def pythons_own_handler():
    """Set Python's handler of Ctrl-C, because a shell's background process ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("pythons_own_handler")
@pytest.mark.parametrize(
    ("at", "kept"), [(8, "the last checkpoint"), (2, "the beginning (there is no checkpoint yet)")]
)
def test_a_second_ctrl_c_ends_at_once_and_says_where_the_run_goes_on(tmp_path, caplog, at, kept):
    out = tmp_path / "run"
    learn = learner(1, Signal(signal.SIGINT, at, times=2), out=out)
    with pytest.raises(KeyboardInterrupt):
        learn.fit_recipe(checkpoint_minutes=5)
    assert learn.train_iter == at
    assert f"stopped at once; to resume from {kept}" in caplog.text
    assert f"resume_learner('{out}')" in caplog.text


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path, expected, caplog):
    out = tmp_path / "run"
    assert in_process(begin, out, KillAtOnce(), minutes=5) == -signal.SIGKILL
    (out / "checkpoint.pt").unlink()
    resumed(out, 1).fit_recipe()
    assert outcome(out) == expected
    assert "no checkpoint yet" in caplog.text


def test_a_finished_run_says_so_and_ends_with_0(app, straight):
    before = {p: p.stat().st_mtime_ns for p in straight.iterdir()}
    done = app("fit", "--resume", straight, "--json")
    assert done.code == 0, done.err
    assert done.json["epochs"] == 3
    assert {p: p.stat().st_mtime_ns for p in straight.iterdir()} == before


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--epochs", 5], "one cycle over 3 epochs"),
        (["--lr", "0.3"], "lr '0.3'"),
        (["--batch-size", 8], "batch_size 8"),
        (["--data", "cifar10"], "data 'cifar10'"),
        (["--seed", 1], "seed 1"),
        (["--out", "elsewhere"], "--out"),
    ],
)
def test_a_flag_that_contradicts_the_run_is_refused(app, straight, flags, named):
    done = app("fit", "--resume", straight, *flags)
    assert (done.code, named in done.err) == (2, True), done.err


def test_flags_that_agree_or_do_not_matter_are_taken(straight):
    recipe = stored_recipe(Run.open(straight), epochs=3, lr="0.015625", workers=2, device="auto", cache="none")
    assert (recipe.workers, recipe.device, recipe.cache) == (2, "auto", "none")
    with pytest.raises(RecipeError, match="unknown setting 'epoch'"):
        stored_recipe(Run.open(straight), epoch=3)


def test_what_is_no_run_is_named(app, tmp_path):
    done = app("fit", "--resume", tmp_path / "nowhere")
    assert done.code == 2
    assert f"{tmp_path / 'nowhere' / 'recipe.json'}: cannot be read" in done.err


class Stop(Callback):
    """Ends a run with an error."""

    def before_batch(self):
        if self.train_iter == 4:
            raise TrainingError("stopped by the test")


def test_a_recipe_that_was_edited_is_refused(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="stopped by the test"):
        begin(out, Stop())
    text = (out / "recipe.json").read_text()
    (out / "recipe.json").write_text(text.replace('"momentum": 0.9', '"momentum": 0.8'))
    with pytest.raises(ValueError, match=r"checkpoint\.pt: momentum differs from recipe"):
        go_on(out)


def test_a_run_that_began_before_a_setting_existed_goes_on(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="stopped by the test"):
        begin(out, Stop())
    state, recipe = read_state(out / "checkpoint.pt"), json.loads((out / "recipe.json").read_text())
    del state["recipe"]["balance"], recipe["balance"]
    write_state(out / "checkpoint.pt", state)
    (out / "recipe.json").write_text(json.dumps(recipe))
    assert go_on(out)["epochs"] == 3


def with_former_names(recipe):
    """Return the entries of a recipe under the names that runs until November 2026 wrote."""
    former = {"norm_bias_lr_scale": "bias_lr", "zero_init_residual": "zero_init"}
    return {former.get(name, name): value for name, value in recipe.items()}


def test_a_run_with_former_names_of_settings_is_resumed(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="stopped by the test"):
        begin(out, Stop(), norm_bias_lr_scale=4.0)
    state, recipe = read_state(out / "checkpoint.pt"), json.loads((out / "recipe.json").read_text())
    write_state(out / "checkpoint.pt", state | {"recipe": with_former_names(state["recipe"])})
    (out / "recipe.json").write_text(json.dumps(with_former_names(recipe)))
    assert Run.open(out).recipe.norm_bias_lr_scale == 4.0
    assert go_on(out)["epochs"] == 3


def test_a_former_name_in_a_checkpoint_is_compared_with_the_recipe(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="stopped by the test"):
        begin(out, Stop(), norm_bias_lr_scale=4.0)
    state = read_state(out / "checkpoint.pt")
    former = with_former_names(state["recipe"]) | {"bias_lr": 2.0}
    write_state(out / "checkpoint.pt", state | {"recipe": former})
    with pytest.raises(ValueError, match=r"checkpoint\.pt: norm_bias_lr_scale differs from recipe"):
        go_on(out)


def test_other_arithmetic_than_the_run_began_with_is_told(tmp_path, caplog):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="stopped by the test"):
        begin(out, Stop())
    ours = precision(torch.device("cpu"))
    theirs = "fp32" if ours == "bf16" else "bf16"
    text = (out / "recipe.json").read_text()
    (out / "recipe.json").write_text(text.replace(f'"precision": "{ours}"', f'"precision": "{theirs}"'))
    go_on(out)
    assert f"is resumed with precision {ours} instead of {theirs}: its last digits may differ" in caplog.text


def test_data_that_changed_since_are_refused(tmp_path):
    digits = digits_folder(tmp_path)
    for path in [*sorted(digits.glob("0/*.png"))[:20], *sorted(digits.glob("1/*.png"))[:20]]:
        copy = tmp_path / "images" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    settings = {"data": tmp_path / "images", "batch_size": 4, "limit": None}
    with pytest.raises(TrainingError, match="stopped by the test"):
        begin(tmp_path / "run", Stop(), **settings)
    copy.unlink()
    with pytest.raises(DataError, match="changed since"):
        go_on(tmp_path / "run")
    copy.write_bytes(path.read_bytes())
    assert go_on(tmp_path / "run")["epochs"] == 3


def test_history_has_each_epoch_once(tmp_path, straight):
    with (straight / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]
