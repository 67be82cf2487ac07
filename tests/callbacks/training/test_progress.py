"""The progress display is a bar on a terminal and one line per epoch elsewhere; stdout stays empty."""

import os
import pty
import subprocess
import sys

from learners import image_learner
from tests.conftest import ROOT


def test_elsewhere_it_is_one_line_an_epoch_on_stderr(tiny, capfd):
    learn = image_learner(**tiny)
    learn.fit_recipe()
    learn.validate()
    learn.get_preds()
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.strip().splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "0"], ["epoch", "1"]]
    assert all(word in lines[0] for word in ("train_loss", "valid_loss", "accuracy", "images/s"))


def test_the_bar_is_put_away_after_an_error(tiny):
    learn = image_learner(**tiny)
    learn.loss_func = None
    try:
        learn.fit(1)
    except TypeError:
        assert learn.rich_progress.depth == 0
    else:
        raise AssertionError("a learner without a loss must not fit")


def test_on_a_terminal_it_is_a_bar_with_speed_loss_rate_and_time_left(tiny_flags, tmp_path):
    screen, terminal = pty.openpty()
    command = [sys.executable, ROOT / "app.py", "fit", *tiny_flags, "--out", tmp_path / "run", "--json"]
    environment = os.environ | {"COLUMNS": "160", "TERM": "xterm"}
    with subprocess.Popen(command, stderr=terminal, stdout=subprocess.PIPE, env=environment) as process:
        os.close(terminal)
        seen = read_all(screen)
        assert process.stdout.read().count(b"\n") == 1
    for word in ("epoch 0 of 2", "validation", "images/s", "loss", "lr", "0:00:0"):
        assert word in seen


def read_all(screen) -> str:
    parts = []
    while True:
        try:
            part = os.read(screen, 65536)
        except OSError:  # what Linux says when the other end has closed
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)
