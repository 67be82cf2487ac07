"""A session as a person has it: IPython in a terminal, with Ctrl-C in the middle of a fit."""

import os
import re
import signal
import sys

import pexpect
import pytest

from tests.conftest import ROOT

PROMPT = r"In \[\d+\]: "
BAR = r"epoch \d+ of 20000[^\r\n]*━[^\r\n]*\d/6[^\r\n]*images/s"  # drawn some times a second: not in every epoch
START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests may have had SIGINT ignored
import IPython
IPython.start_ipython(["--simple-prompt", "--colors=NoColor", "--no-banner", "--no-confirm-exit"])
"""
ENDLESS = 'data="digits", size=8, limit=96, batch_size=16, epochs=20_000, device="cpu", model=small_net()'


class Session:
    """IPython in a pseudo-terminal of 40 lines and 160 columns."""

    def __init__(self, folder):
        env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": str(folder),
            "TERM": "xterm",
            "PYTHONWARNINGS": "ignore",
        }
        env.pop("COLUMNS", None)
        arguments = {"cwd": str(folder), "env": env, "encoding": "utf-8", "dimensions": (40, 160), "timeout": 240}
        self.child = pexpect.spawn(sys.executable, ["-c", START], **arguments)
        self.screen = ""
        self._until(PROMPT)

    def run(self, line):
        """What a line shows, up to the next prompt."""
        self.child.sendline(line)
        return self._until(PROMPT)

    def interrupted(self, line, once):
        """What a line shows that is ended by Ctrl-C, once `once` is seen."""
        self.child.sendline(line)
        before = self._until(once)
        self.child.sendintr()
        return before + self._until(PROMPT)

    def _until(self, pattern):
        self.child.expect(pattern)
        shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", self.child.before + self.child.after)
        self.screen += shown
        return shown


@pytest.fixture
def session(tmp_path):
    session = Session(tmp_path)
    yield session
    session.child.kill(signal.SIGKILL)
    session.child.wait()
    session.child.close()


@pytest.mark.timeout(900)
def test_a_session_survives_ctrl_c_in_a_fit(session, tmp_path):
    session.run("import math")
    session.run("from callbacks import GradCAMInterpretation")
    session.run("from learners import image_learner, resume_learner")
    session.run("from tests.learners.small_runs import small_net")
    session.run(f"learn = image_learner({ENDLESS})")
    seen = session.run("learn.lr_find()")
    assert "LRFound(" in seen
    assert all(re.search(rf"{title} ━", seen) for title in ("range test", r"short run, peak [\d.e-]+"))
    assert re.search(r"\nKeyboardInterrupt", session.interrupted("learn.lr_find(num_it=10**6)", once="range test"))

    seen = session.interrupted("learn.fit_recipe()", once=BAR)
    assert re.search(r"\nKeyboardInterrupt", seen)

    seen = session.run("learn")
    assert "digits: 96 training and 96 validation images of 10 classes" in seen
    assert "not yet by fit_recipe" in seen
    assert "True" in session.run("math.isfinite(learn.validate()[0])")
    assert re.search(r"epoch +1  train_loss", session.run("learn.fit_one_cycle(2, 0.01)"))

    session.run("interp = GradCAMInterpretation.from_learner(learn)")
    assert "GradCAMInterpretation(96 images, " in session.run("interp")
    assert "<Picture size" in session.run("interp.plot_top_losses(2)")

    session.run(f'learn = image_learner({ENDLESS}, out="run")')
    seen = session.interrupted("learn.fit_recipe()", once=r"epoch +1  train_loss")
    assert "stopping after this step" in seen
    assert re.search(r"stopped in epoch \d+ after step \d of 6; to resume: resume_learner\('run'\)", seen)
    assert re.search(r"run +run\b", session.run('resume_learner("run", model=small_net())'))
    assert (tmp_path / "run/checkpoint.pt").is_file()
    assert "True" in session.run("math.isfinite(learn.validate()[0])")

    assert session.screen.count("Traceback (most recent call last)") == 3
    raised = re.findall(r"^\w+(?:Error|Exception|Interrupt)\b", session.screen, re.MULTILINE)
    assert set(raised) == {"KeyboardInterrupt"}
    assert "Exception ignored" not in session.screen
