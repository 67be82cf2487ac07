"""Private names of other projects: each is used in an `upstream.py` and has its own test, and there are few."""

import ast
import importlib
import inspect
import re
from itertools import chain

from tests.conftest import ROOT

OTHERS = ("fastai", "fastcore", "fasttransform", "fastdownload", "torch", "torchvision", "albumentations")
DOCUMENTED = {"_fields", "_asdict", "_replace", "_repr_png_"}  # documented names of named tuples and IPython
MAX_PRIVATE_NAMES = 12  # number of private names that may be used

# Private names that are used, and the file of the test that fails when one of them changes.
CANARIES = {
    "_loaders": "tests/data/test_data_upstream.py",
    "_orig_mod": "tests/callbacks/test_callbacks_upstream.py",
    "_forward_pre_hooks": "tests/learners/test_learners_upstream.py",
    "_forward_hooks": "tests/learners/test_learners_upstream.py",
    "_backward_pre_hooks": "tests/learners/test_learners_upstream.py",
    "_backward_hooks": "tests/learners/test_learners_upstream.py",
    "_is_avx512_bf16_supported": "tests/learners/test_learners_upstream.py",
    "_is_amx_tile_supported": "tests/learners/test_learners_upstream.py",
}


def sources():
    packages = (sorted((ROOT / package).rglob("*.py")) for package in ("data", "callbacks", "learners"))
    return [ROOT / "app.py", *chain.from_iterable(packages)]


def is_private(name):
    return re.fullmatch(r"_[A-Za-z]\w*(?<!__)", name) is not None and name not in DOCUMENTED


def defined(tree):
    """Yield the private names that a file defines: functions, classes, variables, attributes, parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg


def foreign(tree, own):
    """Return the private names of other projects in a file: imports, attributes, and strings for `getattr`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OTHERS:
            parts = (*node.module.split("."), *(alias.name for alias in node.names))
            found |= set(filter(is_private, parts))
        elif isinstance(node, ast.Import):
            found |= {part for alias in node.names for part in alias.name.split(".") if is_private(part)}
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and is_private(node.value):
            found |= {node.value} - own
    return found


def all_foreign(paths=None):
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths or sources()}
    own = {name for tree in trees.values() for name in defined(tree)}
    return {path: names for path, tree in trees.items() if (names := foreign(tree, own))}


def overridden():
    """Yield the private methods and attributes of foreign classes that a class of this project overrides."""
    for path in sources():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for cls in vars(importlib.import_module(name)).values():
            if inspect.isclass(cls) and cls.__module__ == name:
                bases = [base for base in cls.__mro__[1:] if base.__module__.split(".")[0] in OTHERS]
                names = [n for n in vars(cls) if is_private(n) and any(n in vars(base) for base in bases)]
                yield from (f"{name}.{cls.__name__}.{n}" for n in names)


def test_each_private_name_has_a_test_that_fails_when_it_changes():
    used = {name for names in all_foreign().values() for name in names}
    assert used == CANARIES.keys()
    assert len(used) <= MAX_PRIVATE_NAMES
    assert all((ROOT / path).is_file() for path in CANARIES.values())


def test_they_are_in_one_file_per_package():
    assert {path.name for path in all_foreign()} == {"upstream.py"}


def test_no_class_replaces_a_private_method_of_another_project():
    assert list(overridden()) == []


def test_the_walk_sees_every_way_to_use_one(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        "from fastai.data.load import _loaders\nimport torch._dynamo\n_own = 1\n"
        "def f(x, _mine):\n    return x._attribute, _own, getattr(x, '_text'), x.__dict__, _mine\n"
    )
    assert all_foreign([path]) == {path: {"_loaders", "_dynamo", "_attribute", "_text"}}
