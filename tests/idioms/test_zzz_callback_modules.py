"""Every public name of fastai's callback modules is in the table. This runs after the test that writes the table."""

import ast
import importlib.util
import pkgutil
import re
from pathlib import Path

import fastai.callback

from tests.idioms.table import TABLE

NOT_HERE = {
    "all": "names of other modules",
    "rnn": "for text",
    "azureml": "a service",
    "comet": "a service",
    "tensorboard": "needs a package that is not among the requirements, as a service does",
    "wandb": "a service",
}
MODULES = "captum channelslast core data fp16 hook mixup preds progress schedule tracker training".split()
ENDS = re.compile(
    "Callback|event|Cancel.*Exception"
)  # base classes and exceptions, which tests/learners/training/test_step.py covers


def public_names(module):
    """The names in `__all__`, read from the source, because a module may need a package that is not installed."""
    source = Path(importlib.util.find_spec(f"fastai.callback.{module}").origin).read_text(encoding="utf-8")
    assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return next(ast.literal_eval(node.value) for node in assigned if node.targets[0].id == "__all__")


def test_every_module_is_here_or_left_out_for_a_reason():
    found = {module.name for module in pkgutil.iter_modules(fastai.callback.__path__)}
    assert found == {*MODULES, *NOT_HERE}


def test_every_public_name_has_a_row():
    rows = set(re.findall(r"^\| `([\w.]+)", TABLE.read_text(encoding="utf-8"), re.MULTILINE))
    names = {name for module in MODULES for name in public_names(module) if not ENDS.fullmatch(name)}
    assert names - rows == set()
