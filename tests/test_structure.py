"""The layers of the project: imports point down only, files and functions are short, and a session is three lines."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

LAYERS = {"data": 0, "callbacks": 1, "learners": 2, "app": 3, "benchmarks": 3}


def modules(nodes: Iterable[ast.AST]) -> list[str]:
    """Return the names of the modules that the import statements among these nodes import."""
    names = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module)
    return names


def imported(path: Path) -> set[str]:
    """Return the packages of this project that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {name.split(".")[0] for name in modules(ast.walk(tree))} & LAYERS.keys()


def climbs(package: str, other: str) -> bool:
    """Return whether an import of `other` in `package` points up or sideways."""
    return other != package and LAYERS[other] >= LAYERS[package]


@pytest.mark.parametrize("package", LAYERS)
def test_imports_point_down_only(package):
    files = [ROOT / "app.py"] if package == "app" else sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {f"{f.relative_to(ROOT)} imports {o}" for f in files for o in imported(f) if climbs(package, o)}
    assert not wrong


def test_the_walk_sees_an_import_that_climbs(tmp_path):
    (tmp_path / "x.py").write_text("def f():\n    from learners.factory import image_learner\n")
    assert [o for o in imported(tmp_path / "x.py") if climbs("data", o)] == ["learners"]


def rooms(floor: Path) -> dict[str, set[str]]:
    """Return the folders of a package, each with those that its files import when they are imported themselves."""
    names = {folder.name for folder in floor.iterdir() if (folder / "__init__.py").exists()}
    found = {}
    for name in names:
        files = [ast.parse(path.read_text(encoding="utf-8")) for path in (floor / name).rglob("*.py")]
        imports = [module for file in files for module in modules(file.body)]
        found[name] = {
            other for other in names - {name} if any(f"{m}.".startswith(f"{floor.name}.{other}.") for m in imports)
        }
    return found


@pytest.mark.parametrize("floor", ["data", "callbacks", "learners"])
def test_the_folders_of_a_package_import_each_other_in_one_direction(floor):
    assert list(TopologicalSorter(rooms(ROOT / floor)).static_order())  # raises CycleError


def test_two_folders_that_import_each_other_are_seen(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / "floor" / name).mkdir(parents=True)
        (tmp_path / "floor" / name / "__init__.py").write_text(f"from floor.{other} import x\n")
    with pytest.raises(CycleError):
        list(TopologicalSorter(rooms(tmp_path / "floor")).static_order())


def test_the_command_line_waits_for_neither_torch_nor_fastai():
    code = "import sys, app; print(sorted({'torch', 'fastai', 'albumentations'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_three_lines_of_a_session(tiny):
    from callbacks import GradCAMInterpretation
    from learners import image_learner

    learn = image_learner(**tiny)
    found = learn.lr_find(num_it=40)
    results = learn.fit_recipe()
    figure = GradCAMInterpretation.from_learner(learn).plot_top_losses(9)

    assert (found.lr is None) != (found.abstained is None)
    assert 0 <= results["accuracy"] <= 1
    assert len([axes for axes in figure.axes if axes.images]) >= 18  # nine images, each with its heatmap


LIBRARY = [
    ROOT / "app.py",
    *(file for package in ("data", "callbacks", "learners") for file in (ROOT / package).rglob("*.py")),
]


def length(function: ast.FunctionDef) -> int:
    """Return the number of lines of a function without its docstring."""
    text = function.body[0] if ast.get_docstring(function) else None
    return function.end_lineno - function.lineno + 1 - (text.end_lineno - text.lineno + 1 if text else 0)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_over_250_lines_and_no_function_over_30(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert [(f.name, length(f)) for f in functions if length(f) > 30] == []
