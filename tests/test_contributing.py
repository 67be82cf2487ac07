"""What CONTRIBUTING.md tells contributors works to the letter."""

import os
import re
import shutil
import subprocess
import sys

from tests.conftest import ROOT

COPIED = ("app.py", "learners", "callbacks", "data", "pyproject.toml", "requirements.txt", "tests/conftest.py")
BLOCK = re.compile(r"```python\n# (?P<path>[\w/.]+)(?:, before \"(?P<before>[^\"\n]+)\")?\n(?P<text>.*?)```", re.DOTALL)
THINGS = ("source", "model", "transform", "callback", "heatmap method", "report section", "command")


def written(page, copy):
    """Write each block of the page to its place in a copy of the project, and return the files of tests."""
    tests = []
    for block in BLOCK.finditer(page):
        path = copy / block["path"]
        if block["before"]:
            text = path.read_text(encoding="utf-8")
            assert text.count(block["before"]) == 1, block["before"]
            gap = "\n\n" if block["before"].startswith("def ") else ""
            path.write_text(text.replace(block["before"], block["text"] + gap + block["before"]), encoding="utf-8")
        else:
            assert not path.exists(), f"{block['path']} is in the project already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"], encoding="utf-8")
            tests += [path] if path.name.startswith("test_") else []
    return tests


def test_each_thing_that_can_be_added_works_as_the_page_says(tmp_path):
    for name in COPIED:
        source, place = ROOT / name, tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy(source, place)
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"### … a {thing}" in page for thing in THINGS)
    tests = written(page, tmp_path)
    assert len(tests) == len(THINGS)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
