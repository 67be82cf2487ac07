"""What IPython offers after TAB and `?`: the settings of a recipe, with what they mean."""

import inspect
import json
import subprocess
import sys
from dataclasses import fields

import pytest

from learners import Recipe, image_learner
from tests.conftest import ROOT

COMPLETE = """
import json, sys
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell()
shell.run_cell("from learners import Recipe, image_learner")
shell.Completer.use_jedi = sys.argv[1] == "jedi"
with provisionalcompleter():
    print(json.dumps([[c.text for c in shell.Completer.completions(line, len(line))] for line in sys.argv[2:]]))
"""
NAMES = [field.name for field in fields(Recipe)]


@pytest.mark.parametrize("way", ["jedi", "inspect"])
def test_tab_completes_the_settings_as_keywords(way):
    lines = [f"{call}{name[:-1]}" for call in ("image_learner(", "Recipe(") for name in NAMES]
    command = [sys.executable, "-W", "ignore", "-c", COMPLETE, way, *lines]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = dict(zip(lines, json.loads(done.stdout.splitlines()[-1]), strict=True))
    wanted = dict(zip(lines, [f"{name}=" for name in NAMES] * 2, strict=True))
    assert {line for line, offered in found.items() if wanted[line] not in offered} == set()


@pytest.mark.parametrize("public", [Recipe, image_learner], ids=["Recipe", "image_learner"])
def test_its_docstring_tells_what_each_setting_means_and_its_default(public):
    text, own = inspect.getdoc(public), {"data", "model"} if public is image_learner else set()
    for field in fields(Recipe):
        if field.name not in own:
            assert f"    {field.name}: {field.metadata['help']}" in text
    assert "    momentum: Nesterov momentum, held constant [default: 0.9]\n" in text


def test_the_signature_has_each_setting_with_its_default_and_type():
    parameters = inspect.signature(image_learner).parameters  # `model` may also be a net
    assert parameters.keys() == {"metrics", "cbs", "out", *NAMES}
    assert all(parameters[f.name].default == f.default for f in fields(Recipe) if f.name != "model")
    assert parameters["epochs"].annotation is int


@pytest.mark.parametrize("room", ["learners", "data", "callbacks"])
def test_everything_public_has_a_docstring(room):
    package = __import__(room)
    assert [name for name in package.__all__ if not getattr(package, name).__doc__] == []
