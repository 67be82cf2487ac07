"""The project as an installed package: its command, its public names, and foreign packages of the same names."""

import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT


def python(code, cwd):
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("room", ["data", "callbacks", "learners"])
def test_tab_completion_shows_the_public_names(room):
    done = python(f"import {room}; print(dir({room}) == {room}.__all__, {room}.__all__)", ROOT)
    assert done.stdout.startswith("True"), done.stderr


@pytest.mark.parametrize("name", ["data", "callbacks"])
def test_a_package_of_the_same_name_elsewhere_on_the_path_is_named(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    done = python(f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import learners", tmp_path)
    assert f"ImportError: the package '{name}' was found at {tmp_path / name}" in done.stderr


def test_the_wheel_holds_the_packages_the_command_and_nothing_else(tmp_path):
    source = tmp_path / "source"  # building leaves files beside the sources
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "build", "*.egg-info"))
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "-w",
        tmp_path,
        source,
    ]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("image24-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "image24 = app:main" in archive.read(entry).decode()
    assert {f"learners/answers/templates/{name}" for name in ("page.html", "style.css")} <= set(names)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "app.py",
        "callbacks",
        "data",
        "learners",
    }


@pytest.mark.parametrize(("place", "recorded"), [(".", True), ("site-packages", False)])
def test_the_commit_is_that_of_this_checkout_and_not_of_a_repository_around_it(tmp_path, place, recorded):
    git = ["git", "-C", tmp_path, "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-qm", "x", "--allow-empty"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    for package in ("data", "callbacks", "learners"):
        shutil.copytree(ROOT / package, tmp_path / place / package, ignore=shutil.ignore_patterns("__pycache__"))
    done = python("from learners.run_directory.provenance import commit; print(commit())", tmp_path / place)
    assert done.stdout.strip() == (head if recorded else "None"), done.stderr
