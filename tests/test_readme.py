"""The README's commands are commands of the app."""

import re
import shlex
from pathlib import Path

import typer.main

from app import app

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"python app\.py ([^`\n#]+)", README)


def test_every_command_and_flag_exists():
    known = typer.main.get_command(app).commands
    assert len(COMMANDS) >= 3
    for line in COMMANDS:
        name, *words = shlex.split(line.split("&&")[0])
        if name == "COMMAND":
            continue
        flags = {flag for parameter in known[name].params for flag in (*parameter.opts, *parameter.secondary_opts)}
        assert {w for w in words if w.startswith("--")} <= flags | {"--help"}, line


def test_ci_runs_the_two_commands_of_the_start():
    start = README.split("## Start")[1].split("\n## ")[0]
    blocks = re.findall(r"```\n(.*?)```", start, re.DOTALL)
    assert blocks[0].splitlines() == [
        "pip install -r requirements.txt && python app.py fit --data digits --epochs 5",
        "pip install -r requirements-dev.txt && python -m pytest -n 2",
    ]
