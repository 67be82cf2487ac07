"""The real CIFAR-10, if its archives are beside the repository."""

import json
from pathlib import Path

import pytest

from tests.real_cifar10 import few_of_cifar10, needs_cifar10

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

pytestmark = needs_cifar10


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return few_of_cifar10(tmp_path_factory.mktemp("real"))


def test_it_trains_in_place_with_the_published_net(app, folder, tmp_path):
    done = app("fit", "--data", folder, "--limit", 40, "--epochs", 2, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    assert (done.json["train_images"], done.json["valid_images"]) == (40, 40)
    assert done.json["parameters"] == 11_173_962
    recipe = json.loads((tmp_path / "run/recipe.json").read_text())
    assert recipe["classes"] == CLASSES
    assert (recipe["size"], recipe["mirror"], recipe["crop"]) == (32, "alternate", 0.125)


def test_its_own_folder_stays_as_it_was(folder):
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".png"}
