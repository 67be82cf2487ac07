"""Fixtures of one small run for the tests of outputs and reports; a test that changes files uses a copy."""

import shutil

import pytest

from learners import image_learner


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    image_learner("digits", out=out, size=8, limit=100, batch_size=16, epochs=2).fit_recipe()
    return out


@pytest.fixture
def copied_run(small_run, tmp_path):
    return shutil.copytree(small_run, tmp_path / "run")
